#!/bin/sh
# A Rust compiler that can build matchers, which are WebAssembly components: prints what to set for it, as lines of
# `export NAME=VALUE` for the shell that builds guests, and for no other.
#
#   (eval "$(tests/tools/wasm-toolchain.sh)" && cd plugins && cargo build --release --target wasm32-unknown-unknown)
#
# Where the compiler on PATH has the target (`rustup target add wasm32-unknown-unknown`), it is that one. Elsewhere, on
# Debian, an older compiler and its libraries for WebAssembly are taken out of the packages of a release that has them,
# and unpacked below $MUSTER_TEST_TOOLS or target/test-tools. Nothing is installed, and nothing is trusted that apt has
# not verified against Debian's keys. 190 MB are fetched, and 760 MB kept.
set -eu

target=wasm32-unknown-unknown
# Of the compiler: the newest stable release, so that what it builds is what the oldest supported compiler builds.
release=trixie
debs="rustc libstd-rust-1.85 libstd-rust-dev libstd-rust-dev-wasm32
    libc6 libgcc-s1 libstdc++6 libllvm19 libz3-4 libxml2 libedit2 libtinfo6 libbsd0 libmd0 libffi8 libzstd1 zlib1g
    liblzma5"

here=$(cd "$(dirname "$0")" && pwd)
tools=${MUSTER_TEST_TOOLS:-$here/../../target/test-tools}
mkdir -p "$tools"
folder=$(cd "$tools" && pwd)/wasm-rust

say() { echo "wasm-toolchain: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Has this compiler the standard library for the target?
has_target() {
    libraries=$("$1" --print target-libdir --target "$target" 2>/dev/null) || return 1
    set -- "$libraries"/libstd-*.rlib
    [ -e "$1" ]
}

# The folder of the linker that makes components; it comes with the toolchains of rustup, and so does the one it calls.
linkers() {
    for bin in "$(rustc --print sysroot)"/lib/rustlib/*/bin; do
        if [ -x "$bin/wasm-component-ld" ] && [ -x "$bin/rust-lld" ]; then
            echo "$bin"
            return
        fi
    done
    fail "rustc has no wasm-component-ld beside it: use a toolchain of rustup, 1.82 or later"
}

command -v rustc >/dev/null || fail "there is no rustc"
if has_target rustc; then
    echo "export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld"
    exit 0
fi
bin=$(linkers)

# Where this machine's apt takes its own release from: Debian's mirrors hold all releases.
mirror() {
    apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' |
        awk '$1 == "Packages" && $2 == "main" && $3 !~ /-/ && $4 !~ /security/ { print $4; exit }'
}

# An apt of its own: sources, lists and state below $1, no hooks, and how the network is reached from the machine's.
configure_apt() {
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/sources"
    : >"$1/status"
    {
        apt-config dump | grep '^Acquire::\(http\|https\|ftp\|Retries\|ForceIPv4\|ForceIPv6\|Queue-Mode\)\(::\| \)' || true
        cat <<CONFIG
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$1/sources";
Dir::State "$1";
Dir::State::Lists "$1/lists";
Dir::State::Status "$1/status";
Dir::Cache "$1/cache";
APT::Sandbox::User "$(id -un)";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
CONFIG
    } >"$1/apt.conf"
}

# read_index APT RELEASE KEYRING: its packages, if the index is signed by a key that is in the ring.
read_index() {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$2" "$3" \
        >"$1/sources/debian.sources"
    APT_CONFIG=$1/apt.conf apt-get -q update >"$1/log" 2>&1
}

# fetch APT FOLDER NAME...
fetch() {
    apt=$1
    mkdir -p "$2"
    cd "$2"
    shift 2
    APT_CONFIG=$apt/apt.conf apt-get -q download "$@" >"$apt/log" 2>&1
}

# A machine that is older than the release has its keys in a newer package of its own release, which apt verifies with
# the keys that the machine has.
newer_keyring() {
    own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    say "the keys of $release are not here: looking for newer ones in $own"
    read_index "$1" "$own" "$2" && (fetch "$1" "$1/keys" debian-archive-keyring) || return 1
    dpkg-deb --extract "$1"/keys/*.deb "$1/keys"
}

unpack() {
    for tool in apt-get apt-config dpkg-deb; do
        command -v "$tool" >/dev/null ||
            fail "rustc cannot build for $target, and this is not Debian: run 'rustup target add $target'"
    done
    mirror=$(mirror)
    [ -n "$mirror" ] || fail "apt knows no mirror of Debian: run 'rustup target add $target'"
    rm -rf "$folder"
    apt=$folder/apt
    configure_apt "$apt"

    keys=/usr/share/keyrings/debian-archive-keyring
    keyring=$keys.gpg
    [ -e "$keyring" ] || keyring=$keys.pgp
    [ -e "$keyring" ] || fail "there are no keys of Debian's in $keys.gpg: install debian-archive-keyring"
    say "fetching a compiler for $target from $release"
    if ! read_index "$apt" "$release" "$keyring"; then
        grep -q NO_PUBKEY "$apt/log" && newer_keyring "$apt" "$keyring" &&
            keyring=$apt/keys$keys.gpg && read_index "$apt" "$release" "$keyring" || {
            cat "$apt/log" >&2
            fail "apt cannot read or verify the index of $release"
        }
    fi
    # shellcheck disable=SC2086  # names
    (fetch "$apt" "$apt/debs" $debs) || {
        cat "$apt/log" >&2
        fail "apt cannot fetch the packages"
    }
    for deb in "$apt"/debs/*.deb; do
        dpkg-deb --extract "$deb" "$folder/root"
    done

    # Its own C library, so that it runs on older machines as well.
    root=$folder/root
    set -- "$root"/usr/lib*/ld-linux*.so.*
    loader=$1
    set -- "$root"/usr/lib/*/libc.so.6
    libraries=$(dirname "$1")
    [ -x "$loader" ] && [ -d "$libraries" ] || fail "the packages have no C library where it should be"
    cat >"$folder/rustc" <<WRAPPER
#!/bin/sh
exec '$loader' --library-path '$libraries' '$root/usr/bin/rustc' "\$@"
WRAPPER
    chmod 755 "$folder/rustc"
    has_target "$folder/rustc" || {
        "$loader" --library-path "$libraries" --list "$root/usr/bin/rustc" | grep 'not found' >&2 || true
        fail "the compiler that was unpacked does not work"
    }
    rm -rf "$apt"
    # Last, so that what broke off is done again.
    : >"$folder/complete"
}

[ -e "$folder/complete" ] && has_target "$folder/rustc" || unpack
# rustc looks for linkers in its own folders first. The toolchain that they belong to may have been renewed.
for lib in "$folder"/root/usr/lib/rustlib/*-linux-gnu*; do
    mkdir -p "$lib/bin"
    ln -sfn "$bin/wasm-component-ld" "$bin/rust-lld" "$lib/bin/"
done
echo "export RUSTC='$folder/rustc'"
echo "export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld"
