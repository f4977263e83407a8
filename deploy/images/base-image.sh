#!/bin/sh
# base-image.sh TAG: makes a base image without pulling one, from this host's Node 24, the C libraries that it needs, a
# busybox shell, and perl (ndmpd restores times and attributes through it). For machines that reach no image registry.
set -eu
tag=${1:?usage: base-image.sh TAG}
docker=${DOCKER:-docker}
node=$(readlink -f "${NODE:-$(command -v node)}")
busybox=$(command -v busybox) || { echo "base-image.sh: busybox is missing (apt-get install busybox-static)" >&2; exit 1; }
perl=$(command -v perl) || { echo "base-image.sh: perl is missing" >&2; exit 1; }
case $("$node" --version) in v24.*) ;; *) echo "base-image.sh: $node is not Node 24" >&2; exit 1 ;; esac

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/usr/bin "$root"/usr/sbin "$root"/usr/lib "$root"/usr/lib64 "$root"/usr/local/bin \
  "$root"/etc/ssl/certs "$root"/home/node "$root"/proc "$root"/sys "$root"/dev "$root"/run "$root"/tmp \
  "$root"/var/lib "$root"/var/tmp
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
ln -s ../run "$root/var/run"

# A program, and every library that the loader would give it, under the same paths.
add() {
  target=$root$2
  mkdir -p "$(dirname "$target")"
  cp -L "$1" "$target"
  ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$root$library" ] && continue
    mkdir -p "$(dirname "$root$library")"
    cp -L "$library" "$root$library"
  done || true
}
add "$node" /usr/local/bin/node
add "$busybox" /usr/bin/busybox
add "$perl" /usr/bin/perl
perl_base=$("$perl" -e 'print grep { m(/perl-base$) } @INC')
mkdir -p "$root$(dirname "$perl_base")"
cp -a "$perl_base" "$root$perl_base"

# The rest of the C library: name resolution, and the small libraries that programs built elsewhere ask for.
folder=$(dirname "$(ldd "$node" | grep -o '/[^ ]*/libc\.so\.6')")
for name in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2 librt.so.1 libutil.so.1 libanl.so.1 libdl.so.2 libpthread.so.0; do
  if [ -e "$folder/$name" ] && [ ! -e "$root$folder/$name" ]; then cp -L "$folder/$name" "$root$folder/$name"; fi
done
"$busybox" --list | while read -r applet; do
  [ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done

if [ -e /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
postgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh
node:x:1000:1000:node:/home/node:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
END
cat >"$root/etc/group" <<'END'
root:x:0:
postgres:x:999:
node:x:1000:
nogroup:x:65534:
END
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp" "$root/var/tmp"
chmod 755 "$root"

tar -C "$root" --numeric-owner --owner=0 --group=0 -c . | "$docker" import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'CMD ["node"]' - "$tag" >/dev/null
echo "$tag"
