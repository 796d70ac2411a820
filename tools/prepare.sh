# Sourced by ./demo and ./check: what they need from Debian, and the build. Functions only.

# Everything that building, testing and running takes on a bare Debian 12.
packages=(
    g++ meson ninja-build pkg-config python3
    libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libsodium-dev
    libboost-dev libboost-program-options-dev libexpected-dev libfmt-dev libspdlog-dev
    libonnx-dev libonnx-testdata libprotobuf-dev protobuf-compiler
    libtomlplusplus-dev nlohmann-json3-dev libarchive-dev libxml2-dev libfdt-dev libssl-dev libpng-dev libturbojpeg0-dev
    doctest-dev libbenchmark-dev
    python3-numpy python3-onnx
)

say() { printf '%s\n' "$*" >&2; }

# Installs the packages that are missing, as root or with sudo, and says which.
install_missing() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        say "Not a Debian system: please see to these packages yourself: ${packages[*]}"
        return
    fi
    local missing=() package
    for package in "${packages[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            say "Missing, and neither root nor sudo to install them. As root: apt-get install ${missing[*]}"
            return 1
        fi
        as_root=(sudo)
    fi
    say "Installing from Debian: ${missing[*]}"
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends)
    "${as_root[@]}" apt-get update -q >&2 || say "apt-get update failed; trying with the lists that are there"
    "${install[@]}" "${missing[@]}" >&2
}

# build DIRECTORY SOURCE TARGET [MESON OPTION]...: configures once, builds what changed and TARGET needs.
build() {
    local directory=$1 source=$2 target=$3
    shift 3
    if [[ ! -f $directory/build.ninja ]]; then
        meson setup "$directory" "$source" "$@" >&2
    fi
    # On a terminal ninja shows one line that counts; elsewhere it would print one for each file.
    local quiet=(--quiet)
    [[ -t 2 ]] && quiet=()
    local steps
    steps=$(ninja -C "$directory" -n "$target" | tail -n 1 | sed -n 's,^\[[0-9]*/\([0-9]*\)\].*,\1,p')
    [[ -z $steps ]] || say "Building $target in $directory: $steps steps"
    ninja -C "$directory" "${quiet[@]}" "$target" >&2
}
