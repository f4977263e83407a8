// The Perl side of attribute-helper.ts: reads frames, makes system calls by number, answers.

import { AHEAD } from '../core/ahead-record.ts';

/**
 * System call numbers: utimensat, mknodat, lsetxattr, lgetxattr, llistxattr, lremovexattr, openat, write, fchown, fchmod,
 * close, statx, pread64, mmap, flistxattr, memfd_create.
 */
export const CALL_NUMBERS: Readonly<Record<string, readonly number[]>> = {
  x64: [280, 259, 189, 192, 195, 198, 257, 1, 93, 91, 3, 332, 17, 9, 196, 319],
  arm64: [88, 33, 6, 9, 12, 15, 56, 64, 55, 52, 57, 291, 67, 222, 13, 279],
};

/**
 * Frames in: one letter, then counted byte strings (N/a*). Names are looked up in the directory that the
 * last "D" went to. "U" sets times and makes files, as file-frame.ts says; "O" gives a directory owner and mode. "F" adds
 * names to a group: one after "f" is opened, of one after "x" only the attributes are listed. Answers are counted strings:
 * to "L" the attributes of names, to "M" the number of a file in memory, to "G" what core/ahead-record.ts says of the group,
 * to "H" the runs of data of an open file, to "S" (which also flushes) the calls that failed since, as INDEX:ERRNO.
 */
export const SCRIPT = `
use strict; use IO::Handle; binmode STDIN; binmode STDOUT; umask 0;
my ($utimensat, $mknodat, $lsetxattr, $lgetxattr, $llistxattr, $lremovexattr, $openat, $write, $fchown, $fchmod,
  $close, $statx, $pread, $mmap, $flistxattr, $memfd, $newflags, $fileflags, $quietflags) = map { $_ + 0 } @ARGV;
my $room = 65536; my $list = "\\0" x $room; my $value = "\\0" x $room;
my $none = 0xffffffff; my $cwd = -100; my $index = 0; my @failed; my $lost = 0;
sub bytes { my ($n) = @_; my $got = ''; while (length($got) < $n) {
  my $r = read(STDIN, $got, $n - length($got), length($got)); exit 0 unless $r; } return $got; }
sub counted { return bytes(unpack('N', bytes(4))); }
sub attributes { my ($path) = @_; my $all = '';
  return '' if syscall($llistxattr, $path, $list, 0) <= 0; # room would be set aside, for most in vain
  my $n = syscall($llistxattr, $path, $list, $room); return '' if $n <= 0;
  for my $name (split /\\0/, substr($list, 0, $n)) {
    next if $name eq 'security.selinux';
    my $key = $name . "\\0"; my $v = syscall($lgetxattr, $path, $key, $value, $room);
    $all .= pack('N/a* N/a*', $name, substr($value, 0, $v)) if $v >= 0;
  } return $all; }
sub extents { my ($path, $max) = @_; my $all = ''; my $count = 0; my $at = 0;
  open(my $file, '<:raw', $path) or return '';
  my $size = sysseek($file, 0, 2); return '' unless defined $size;
  while ($at < $size) {
    my $data = sysseek($file, $at, 3); last unless defined $data; $data += 0;
    my $hole = ++$count < $max ? sysseek($file, $data, 4) : $size; return '' unless defined $hole;
    $hole = $size if $hole > $size;
    $all .= pack('Q> Q>', $data, $hole - $data); $at = $hole;
  } return $all . pack('Q> Q>', $size, 0); }
my ($opened, $base, $place, $at, $lengths, $values) = (undef, 0, 0, 0, '', ''); my $nothing = "\\0";
sub memory { # answers of syscall have 32 bits: the kernel is asked for a place that such a number can tell
  my $label = "ndmpd\\0"; my $memory = syscall($memfd, $label, 1); return '' if $memory < 0;
  open($opened, '+<&=', $memory) or return ''; truncate($opened, ${AHEAD.memoryBytes}) or return '';
  for my $wish (0x40000000, 0x50000000, 0x60000000) {
    my $got = syscall($mmap, $wish, ${AHEAD.memoryBytes}, 3, 1, $memory, 0);
    if ($got == $wish) { $base = $got; return $memory; }
  } return ''; }
sub ahead { my ($kind, $path) = @_; my $size = ${AHEAD.none}; my ($found, $fd);
  if ($kind eq 'f' && !$lost && $at <= ${AHEAD.contentUpTo}) {
    my $to = $base + $place + $at;
    $fd = syscall($openat, $cwd, $path, $quietflags);
    $fd = syscall($openat, $cwd, $path, $fileflags) if $fd < 0 && $! == 1;
    if ($fd >= 0) {
      if (syscall($statx, $fd, $nothing, 0x1000, 0x17ff, $to) == 0) {
        my ($mode, $bytes, $blocks) = unpack('x28 S x10 Q Q', unpack('P64', pack('J', $to)));
        if (($mode & 0170000) == 0100000 && $bytes <= ${AHEAD.contentBytesMax}
          && ($bytes <= 4096 || $blocks * 512 >= $bytes)
          && ($bytes == 0 || syscall($pread, $fd, $to + ${AHEAD.statBytes}, $bytes, 0) == $bytes)) {
          $size = $bytes; $at = ($at + ${AHEAD.statBytes} + $size + 7) & ~7;
          $found = '' if syscall($flistxattr, $fd, $list, 0) <= 0;
        }
      }
      syscall($close, $fd);
    }
  }
  $found = $lost ? '' : attributes($path) unless defined $found; my $length = length($found);
  if (length($values) + $length > ${AHEAD.xattrBytesMax}) { $length = ${AHEAD.none}; } else { $values .= $found; }
  $lengths .= pack('LL', $size, $length); }
sub failure { return $_[0] < 0 ? $! + 0 : 0; }
sub opened { my ($name, $mode) = @_; my $path = $name . "\\0";
  my $fd = syscall($openat, $cwd, $path, $newflags, $mode);
  return $fd if $fd >= 0 || $! != 17; # there is something: it goes, unless it is a directory
  if (!unlink($name) && $! != 2) { $! = 17 if $! == 21 || $! == 1; return -1; }
  return syscall($openat, $cwd, $path, $newflags, $mode); }
sub make { my ($name, $times, $file) = @_;
  my ($first, $uid, $gid, $mode, $data) = unpack('N4 a*', $file);
  my $fd = opened($name, $first); return $! + 0 if $fd < 0;
  my $failed = 0;
  while (!$failed && length($data) > 0) {
    my $n = syscall($write, $fd, $data, length($data)); $failed = failure($n);
    $data = substr($data, $n) if $n > 0;
  }
  my $owned = $uid == $none ? 0 : failure(syscall($fchown, $fd, $uid, $gid));
  my $moded = $mode == $none ? 0 : failure(syscall($fchmod, $fd, $mode));
  my $timed = failure(syscall($utimensat, $fd, 0, $times, 0));
  syscall($close, $fd); return $failed || $owned || $moded || $timed; }
for (;;) {
  my $op = bytes(1);
  if ($op eq 'S') {
    print pack('N/a*', join(',', @failed)); STDOUT->flush(); @failed = (); $index = 0; next;
  }
  if ($op eq 'M') { print pack('N/a*', memory()); STDOUT->flush(); next; }
  if ($op eq 'G') {
    print pack('N/a*', $lengths . $values); STDOUT->flush(); ($lengths, $values, $at) = ('', '', 0);
    $place = ($place + ${AHEAD.groupBytes}) % ${AHEAD.memoryBytes}; next; }
  my $name = counted();
  if ($op eq 'D') { $lost = chdir($name) ? 0 : $! + 0; next; }
  if ($op eq 'L') {
    my $i = 0; my $all = '';
    for my $one ($lost ? () : split /\\0/, $name) {
      my $found = attributes($one . "\\0"); $all .= pack('N N/a*', $i, $found) if $found ne ''; $i++;
    }
    print pack('N/a*', $all); STDOUT->flush(); next;
  }
  if ($op eq 'F') {
    for my $one (split /\\0/, $name) { ahead(substr($one, 0, 1, ''), $one . "\\0"); } next; }
  if ($op eq 'U') {
    my @all = unpack('(Z* a32 N/a*)*', $name);
    for (my $i = 0; $i < @all; $i += 3, $index++) {
      my $failed = $lost;
      if ($lost) {} elsif ($all[$i + 2] ne '') { $failed = make(@all[$i .. $i + 2]); }
      else {
        my $path = $all[$i] . "\\0";
        $failed = failure(syscall($utimensat, $cwd, $path, $all[$i + 1], 0x100));
      }
      push @failed, $index . ':' . $failed if $failed;
    } next; }
  if ($op eq 'H') { print pack('N/a*', extents($name, unpack('N', bytes(4))));
    STDOUT->flush(); next; }
  my $path = $name . "\\0"; my $r = -1;
  if ($op eq 'N') {
    my ($mode, $dev) = unpack('NQ>', bytes(12));
    $r = $lost ? -1 : syscall($mknodat, $cwd, $path, $mode, $dev);
  } elsif ($op eq 'O') {
    my ($uid, $gid, $mode) = unpack('N3', bytes(12));
    $r = $lost || ($uid != $none && !chown($uid, $gid, $name)) || !chmod($mode, $name) ? -1 : 0;
  } elsif ($op eq 'C') {
    my $n = $lost ? 0 : syscall($llistxattr, $path, $list, $room); $r = 0;
    for my $one ($n > 0 ? split(/\\0/, substr($list, 0, $n)) : ()) {
      my $key = $one . "\\0"; syscall($lremovexattr, $path, $key);
    }
  } elsif ($op eq 'X') {
    my $key = counted() . "\\0"; my $bytes = counted();
    $r = $lost ? -1 : syscall($lsetxattr, $path, $key, $bytes, length($bytes), 0);
  }
  push @failed, $index . ':' . ($lost || $! + 0) if $r != 0;
  $index++;
}`;
