# Sourced by the scripts beside it: installs what is missing, and nothing else.
# shellcheck shell=bash

# The oldest compiler that builds this workspace; the same number as rust-version in Cargo.toml.
readonly RUST_MINOR_MIN=95

# Where downloads and builds that are not part of the repository are kept between runs.
readonly CACHE=${OUTRIGGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/outrigger}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "cannot run \`$*\`: neither root nor sudo; run this script as root"
    return 1
  fi
}

is_installed() {
  [[ $(dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null) == 'install ok installed' ]]
}

# Runs a command whose output matters only if it fails.
quietly() {
  local output
  output=$("$@" 2>&1) && return 0
  printf '%s\n' "$output" >&2
  return 1
}

apt_lists_are_fresh=no
refresh_apt_lists() {
  [[ $apt_lists_are_fresh == yes ]] && return 0
  quietly as_root apt-get update || return 1
  apt_lists_are_fresh=yes
}

apt_install() {
  refresh_apt_lists || return 1
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# Installs those of the packages that are missing; one that cannot be had does not keep the others away.
install_packages() {
  local package missing=() failed=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "installing ${missing[*]}"
  apt_install "${missing[@]}" && return 0
  for package in "${missing[@]}"; do
    apt_install "$package" || failed+=("$package")
  done
  [[ ${#failed[@]} -eq 0 ]] || say "cannot install ${failed[*]}"
  [[ ${#failed[@]} -eq 0 ]]
}

cargo_is_new_enough() {
  local version minor
  version=$(cargo --version 2>/dev/null) || return 1
  minor=${version#cargo 1.}
  minor=${minor%%.*}
  [[ $minor =~ ^[0-9]+$ && $minor -ge $RUST_MINOR_MIN ]]
}

# A cargo on the PATH, else one that rustup put into the home directory, else Debian's, else rustup's.
ensure_toolchain() {
  install_packages gcc libc6-dev pkg-config ca-certificates || die "a C compiler is needed: install gcc and libc6-dev"
  cargo_is_new_enough && return 0
  PATH="$HOME/.cargo/bin:$PATH"
  cargo_is_new_enough && return 0
  say "no cargo of version 1.$RUST_MINOR_MIN or newer found"
  if install_packages rustc-web cargo-web rustfmt-web rust-web-clippy; then
    hash -r
    cargo_is_new_enough && return 0
  fi
  if install_packages rustup && rustup default stable; then
    hash -r
    cargo_is_new_enough && return 0
  fi
  die "cannot find or install cargo 1.$RUST_MINOR_MIN or newer; install a Rust toolchain and run this again"
}
