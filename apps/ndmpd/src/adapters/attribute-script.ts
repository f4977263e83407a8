// The Perl side of attribute-helper.ts: reads frames, makes system calls by number, answers.

/** System call numbers: utimensat, mknodat, lsetxattr, lgetxattr, llistxattr, lremovexattr. */
export const CALL_NUMBERS: Readonly<Record<string, readonly number[]>> = {
  x64: [280, 259, 189, 192, 195, 198],
  arm64: [88, 33, 6, 9, 12, 15],
};

/**
 * Frames in: one letter, then counted byte strings (N/a*). Names are looked up in the directory that the
 * last "D" went to. "U" sets times: names that end in a zero byte, each with seconds and nanoseconds as the kernel takes
 * them. Answers are counted strings: to "L" the attributes of names, to "W" those of all that
 * directories hold (flag 0 where one is too long or out of reach), to "H" the runs of data of an open file, to "S" (which also flushes) the calls that failed since, as INDEX:ERRNO.
 */
export const SCRIPT = `
use strict; use IO::Handle; binmode STDIN; binmode STDOUT; umask 0;
my ($utimensat, $mknodat, $lsetxattr, $lgetxattr, $llistxattr, $lremovexattr, $dirflags)
  = map { $_ + 0 } @ARGV;
my $room = 65536; my $list = "\\0" x $room; my $value = "\\0" x $room;
my $keep = pack('qq', 0, 0x3ffffffe); my $cwd = -100; my $index = 0; my @failed; my $lost = 0;
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
sub below { my ($name, $budget) = @_; my $all = ''; my $left = 20000; my ($dir, $entries);
  return pack('N', 0) if $budget <= 0;
  sysopen($dir, $name, $dirflags) && chdir($dir) && opendir($entries, '.') or return pack('N', 0);
  while (defined(my $one = readdir $entries)) {
    next if $one eq '.' || $one eq '..';
    return pack('N', 0) if $left-- == 0 || length($all) > $budget;
    my $found = attributes($one . "\\0"); $all .= pack('N/a* N/a*', $one, $found) if $found ne '';
  } return pack('N N/a*', 1, $all); }
for (;;) {
  my $op = bytes(1);
  if ($op eq 'S') {
    print pack('N/a*', join(',', @failed)); STDOUT->flush(); @failed = (); $index = 0; next;
  }
  my $name = counted();
  if ($op eq 'D') { $lost = chdir($name) ? 0 : $! + 0; next; }
  if ($op eq 'L') {
    my $i = 0; my $all = '';
    for my $one ($lost ? () : split /\\0/, $name) {
      my $found = attributes($one . "\\0"); $all .= pack('N N/a*', $i, $found) if $found ne ''; $i++;
    }
    print pack('N/a*', $all); STDOUT->flush(); next;
  }
  if ($op eq 'W') {
    my $all = ''; my $home;
    $lost ||= sysopen($home, '.', $dirflags) ? 0 : $! + 0;
    for my $one (split /\\0/, $name) {
      $all .= $lost ? pack('N', 0) : below($one, 1000000 - length($all)); $lost ||= chdir($home) ? 0 : $! + 0;
    }
    print pack('N/a*', $all); STDOUT->flush(); next;
  }
  if ($op eq 'U') {
    my @all = unpack('(Z* a16)*', $name);
    for (my $i = 0; $i < @all; $i += 2, $index++) {
      my $path = $all[$i] . "\\0"; my $times = $keep . $all[$i + 1];
      my $r = $lost ? -1 : syscall($utimensat, $cwd, $path, $times, 0x100);
      push @failed, $index . ':' . ($lost || $! + 0) if $r != 0;
    } next; }
  if ($op eq 'H') { print pack('N/a*', extents($name, unpack('N', bytes(4))));
    STDOUT->flush(); next; }
  my $path = $name . "\\0"; my $r = -1;
  if ($op eq 'N') {
    my ($mode, $dev) = unpack('NQ>', bytes(12));
    $r = $lost ? -1 : syscall($mknodat, $cwd, $path, $mode, $dev);
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
