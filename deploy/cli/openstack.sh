# Sourced by ./muster: runs the unmodified `openstack` client against the local cluster.
# clouds.yaml (clouds `admin` and `demo`) is written by `muster up`; a user's own OS_AUTH_URL or
# OS_CLIENT_CONFIG_FILE is left alone, and OS_CLOUD or --os-cloud chooses the cloud.
environment client
unset PYTHONPATH
if [ -z "${OS_AUTH_URL:-}" ] && [ -z "${OS_CLIENT_CONFIG_FILE:-}" ]; then
    if [ -r "$MUSTER_HOME/clouds.yaml" ]; then
        export OS_CLIENT_CONFIG_FILE="$MUSTER_HOME/clouds.yaml" OS_CLOUD="${OS_CLOUD:-admin}"
    else
        case ${1:-} in
            --version | --help | -h) ;;
            *)
                echo "muster: no cluster in $MUSTER_HOME; start one with: ./muster up" >&2
                exit 1
                ;;
        esac
    fi
fi
exec "$python" -m openstackclient.shell "$@"
