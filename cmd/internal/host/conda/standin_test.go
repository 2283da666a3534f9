package conda

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// No channel of conda can be reached from where the tests run. What follows is a
// stand-in: an installer that keeps the contract of conda's constructor (options,
// exit codes, the name that must end in ".sh", rights by the caller's umask), and
// a program conda that makes folders and says what the real one says. It shows
// what gateway does around conda, and nothing about conda's own work.

const standinConda = `#!/bin/sh
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
verb=${1:-}
[ $# -gt 0 ] && shift
prefix=
specs=
case $verb in create|install)
	while [ $# -gt 0 ]; do
		case $1 in
		-p) prefix=$2; shift ;;
		-*) ;;
		*) specs="$specs $1" ;;
		esac
		shift
	done ;;
esac
record() {
	for spec in $specs; do
		name=${spec%%=*}
		version=${spec#*=}
		[ "$version" != "$spec" ] || version=1.0
		echo "{\"url\": \"https://example.com/$name-$version-0.conda\"}" >"$prefix/conda-meta/$name-$version-0.json"
	done
}
case $verb in
--version) echo "conda 0.0.VERSION" ;;
info) printf '{"root_prefix":"%s","conda_version":"0.0.VERSION"}\n' "$root" ;;
create)
	mkdir -p "$prefix/conda-meta" "$prefix/bin" "$HOME/.conda/pkgs" || exit 1
	: >"$prefix/conda-meta/history"
	echo "$prefix" >>"$HOME/.conda/environments.txt"
	touch "$HOME/.conda/envs/.conda_envs_dir_test" 2>/dev/null
	case "$specs" in *unobtainable*) echo "PackagesNotFoundError: unobtainable" >&2; exit 1 ;; esac
	record ;;
install)
	[ -w "$prefix/conda-meta/history" ] || { echo "EnvironmentNotWritableError: $prefix" >&2; exit 1; }
	record ;;
*) echo "conda: no such command" >&2; exit 2 ;;
esac
`

const standinHeader = `#!/bin/sh
set -eu
case "$0" in *.sh) ;; *) echo "the name must end in .sh" >&2; exit 1 ;; esac
prefix=$HOME/conda
batch=no
update=no
while getopts bfhup: option; do
	case $option in
	b) batch=yes ;;
	p) prefix=$OPTARG ;;
	u | f) update=yes ;;
	h) echo "usage: $0 [-b] [-u] [-p PREFIX]"; exit 2 ;;
	*) exit 1 ;;
	esac
done
[ "$batch" = yes ] || { echo "nobody is here to accept the licence" >&2; exit 1; }
[ "$update" = yes ] || [ ! -e "$prefix" ] || { echo "ERROR: File or directory already exists: $prefix" >&2; exit 1; }
mkdir -p "$prefix"
skip=$(awk '/^--payload--$/ { print NR + 1; exit }' "$0")
tail -n +"$skip" "$0" | tar --no-same-owner --no-same-permissions -C "$prefix" -xzf -
mkdir -p "$HOME/.conda"
echo "$prefix" >>"$HOME/.conda/environments.txt"
AFTERWARDS
exit 0
--payload--
`

// condaInstaller is a stand-in of a version. afterwards are lines of the
// installer that are run when the files are there.
func condaInstaller(t *testing.T, version, afterwards string) (script []byte, sum string) {
	t.Helper()
	var payload bytes.Buffer
	zipped := gzip.NewWriter(&payload)
	archive := tar.NewWriter(zipped)
	for _, file := range []struct{ name, text string }{
		{"bin/conda", strings.ReplaceAll(standinConda, "VERSION", version)},
		{"bin/only-in-" + version, "#!/bin/sh\n"},
		{"conda-meta/history", ""},
		{"conda-meta/conda-" + version + "-0.json", "{}"},
		{"etc/profile.d/conda.sh", `export CONDA_SHLVL=0
conda() { case ${1:-} in activate) PATH=$HOME/.conda/envs/$2/bin:$PATH ;; *) /opt/conda/bin/conda "$@" ;; esac; }
`},
		{"envs/.keep", ""},
		{"pkgs/big", strings.Repeat("0123456789abcdef", 1<<16)},
		{".condarc", "channels:\n  - conda-forge\n"},
	} {
		mode := int64(0o664)
		if strings.HasPrefix(file.name, "bin/") {
			mode = 0o775
		}
		condaMust(t, archive.WriteHeader(&tar.Header{Name: file.name, Mode: mode, Size: int64(len(file.text))}))
		if _, err := archive.Write([]byte(file.text)); err != nil {
			t.Fatal(err)
		}
	}
	condaMust(t, archive.Close())
	condaMust(t, zipped.Close())
	script = append([]byte(strings.ReplaceAll(standinHeader, "AFTERWARDS", afterwards)), payload.Bytes()...)
	hash := sha256.Sum256(script)
	return script, hex.EncodeToString(hash[:])
}
