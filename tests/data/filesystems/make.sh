#!/bin/sh
# Makes the images beside it, as root on Linux: by e2fsprogs, ntfs-3g, dosfstools, mtools and xz.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
mkdir -p "$work/tree/etc/sub" "$work/mnt"
printf 'hello\n' > "$work/tree/etc/motd"
printf 'deep\n' > "$work/tree/etc/sub/deep"
seq 1 4000 > "$work/tree/etc/numbers"
truncate -s 300000 "$work/tree/etc/sparse"
ln -s sub/deep "$work/tree/etc/link"
ln -s /etc/sub "$work/tree/folder"
ln -s ring "$work/tree/ring"
printf 'odd\n' > "$work/tree/etc/$(printf 'odd\033[31m')"
truncate -s 1M "$work/ext4" && mkfs.ext4 -q -F -m 0 -N 64 -U 00000000-0000-0000-0000-000000000001 -d "$work/tree" "$work/ext4"

truncate -s 2M "$work/ntfs" && mkntfs -q -F -f -s 512 -p 0 -H 1 -S 1 "$work/ntfs"
ntfs-3g -o compression "$work/ntfs" "$work/mnt"
cd "$work/mnt"
mkdir -p Windows/System32 Packed
printf 'hello\r\n' > Windows/System32/Config.TXT
seq 1 4000 > numbers
truncate -s 300000 sparse
python3 -c "
import os
os.setxattr('Packed', 'system.ntfs_attrib_be', (0x810).to_bytes(4))
open('Packed/numbers', 'wb').write(open('numbers', 'rb').read())
open('elsewhere', 'wb').write(b'')
os.setxattr('elsewhere', 'system.ntfs_reparse_data', (0x80000017).to_bytes(4, 'little') + (16).to_bytes(2, 'little') + bytes(2 + 16))
"
printf 'gone\n' > deleted && rm deleted
cd - > /dev/null
umount "$work/mnt"

truncate -s 1M "$work/fat" && mkfs.vfat -n LABEL "$work/fat" > /dev/null
mcopy -s -i "$work/fat" "$work/tree/etc/motd" ::/Motd.txt
mcopy -i "$work/fat" "$work/tree/etc/motd" ::/Gone.txt && mdel -i "$work/fat" ::/Gone.txt
mmd -i "$work/fat" ::/EFI && mcopy -i "$work/fat" "$work/tree/etc/numbers" ::/EFI/
for name in ext4 fat; do xz -9e -c "$work/$name" | base64 -w 100 > "$name.img.xz.base64"; done
xz --delta=dist=2 --lzma2=preset=9e -c "$work/ntfs" | base64 -w 100 > ntfs.img.xz.base64  # most of it is a table of numbers of two bytes
rm -r "$work"
