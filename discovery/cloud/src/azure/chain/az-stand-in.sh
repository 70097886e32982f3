#!/bin/sh
# Stands for the Azure CLI in tests; what it does depends on the scope that it is asked for.
case "$6" in
*person*) echo '{"accessToken":"of-the-person","expires_on":4102444800}' ;;
*logged-out*)
    echo "ERROR: Please run 'az login' to setup account." >&2
    exit 1
    ;;
*silent*) exit 3 ;;
*nonsense*) echo 'no JSON at all' ;;
*) echo "{\"accessToken\":\"for $*\"}" ;;
esac
