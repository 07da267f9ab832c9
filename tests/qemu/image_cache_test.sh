#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The cache of images: while one image is being made another is found, and a third one made; who wants the same one waits
# and gets it. A kernel that holds one which QEMU can enter is unpacked, once for all images; another one stays as it is. Of
# kernels that are none; nothing boots.
# Usage: image_cache_test.sh MAKE_IMAGE
set -euo pipefail
make_image=$1
for tool in busybox cpio flock; do
	command -v $tool >/dev/null || { echo "no $tool here" && exit 77; }
done
! ldd "$(command -v busybox)" >/dev/null 2>&1 || { echo "busybox is not static here" && exit 77; }
work=$(mktemp -d)
trap 'echo go 2>/dev/null 1<>"$work/gate"; wait; rm -rf "$work"' EXIT
export LLFREE_QEMU_CACHE=$work/cache
mkdir -p "$work/modules" "$work/headers" "$work/driver" "$work/one" "$work/other"
echo kernel >"$work/vmlinuz"
touch "$work/one/file-one" "$work/other/file-other"
mkfifo "$work/gate"
cat >"$work/driver/build" <<END
#!/bin/sh
touch "$work/building"
read -r line <"$work/gate"
echo driver >"\$2/llfree_guest.ko"
END
chmod +x "$work/driver/build"

make() { # ARG...
	timeout 100 "$make_image" --kernel "$work/vmlinuz" --modules "$work/modules" "$@"
}
fail() {
	echo "FAILED: $*"
	exit 1
}

found=$(make)
[[ -s $found/initramfs && $found == "$work"/cache/images/* ]] || fail "no image: $found"
make --headers "$work/headers" --driver "$work/driver/build" >"$work/first" &
first=$!
for ((turn = 0; turn < 600; turn++)); do
	[[ ! -e $work/building ]] || break
	sleep 0.1
done
[[ -e $work/building ]] || fail "the slow image was never begun"
[[ $(make) == "$found" ]] || fail "an image that is there was not found while another was made"
other=$(make --overlay "$work/other") || fail "an image was not made while another one was"
[[ $other != "$found" && -s $other/initramfs ]] || fail "no image of its own: $other"
rm "$work/building"
make --headers "$work/headers" --driver "$work/driver/build" >"$work/second" &
second=$!
[[ $(make --overlay "$work/one") != "$other" ]] || fail "two overlays, one image"
[[ ! -e $work/building ]] || fail "the same image was begun twice"
echo go >"$work/gate"
wait $first || fail "the first of two did not end well"
wait $second || fail "the second of two did not end well"
cmp "$work/first" "$work/second"
[[ -e $(cat "$work/first")/with-driver ]] || fail "the image is without its driver"
[[ $(find "$work/cache" -name 'work.*' | wc -l) == 0 ]] || fail "a folder of work is left"

[[ ! -e $found/vmlinux ]] || fail "a kernel was unpacked that is none"
printf '\x7fELF, and the note of its entry: \x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0' >"$work/elf"
{
	printf 'what unpacks it, and \x1f\x8b\x08 by chance'
	gzip -c "$work/elf"
	echo "what follows"
} >"$work/vmlinuz"
packed=$(make) || fail "no image of a packed kernel"
cmp "$work/elf" "$packed/vmlinux" || fail "the kernel was not unpacked"
other=$(make --overlay "$work/one") || fail "no second image of that kernel"
[[ $other/vmlinux -ef $packed/vmlinux ]] || fail "two images do not share their kernel"
printf 'no note %s' "$(head -c 8 "$work/elf")" | gzip -c >"$work/vmlinuz"
other=$(make) || fail "no image of a kernel without the note"
[[ ! -e $other/vmlinux ]] || fail "QEMU could not enter this"
echo "seven images, none made twice"
