# Sourced by ./muster: runs the unmodified `openstack` client against the local cluster.
# Credentials (clouds `admin` and `demo`) are those of the cluster of `muster up`, or else of
# `docker compose up`; a user's own OS_AUTH_URL or OS_CLIENT_CONFIG_FILE is left alone. OS_CLOUD or
# --os-cloud chooses the cloud.
environment client
unset PYTHONPATH

answers() {
    "$python" -c 'import socket; socket.create_connection(("127.0.0.1", 5000), 1)' 2>/dev/null
}

if [ -z "${OS_AUTH_URL:-}" ] && [ -z "${OS_CLIENT_CONFIG_FILE:-}" ]; then
    case ${1:-} in
        --version | --help | -h) ;;
        *)
            if [ -r "$MUSTER_HOME/clouds.yaml" ] && [ -e "$MUSTER_HOME/cluster.json" ]; then
                OS_CLIENT_CONFIG_FILE=$MUSTER_HOME/clouds.yaml
            elif answers; then
                OS_CLIENT_CONFIG_FILE=$root/deploy/docker/clouds.yaml
            else
                echo "muster: no cluster runs in $MUSTER_HOME; start one with: ./muster up" >&2
                exit 1
            fi
            OS_CLOUD=${OS_CLOUD:-admin}
            export OS_CLIENT_CONFIG_FILE OS_CLOUD
            ;;
    esac
fi
exec "$python" -m openstackclient.shell "$@"
