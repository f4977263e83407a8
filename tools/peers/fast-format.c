/*
 * Formatter for the DATA agent of NDMJOB where speed is measured: saves directories and plain files with names of up to
 * a hundred bytes, nothing else, and leaves extraction to GNU tar. wrap-tar.ts is the one that does it all.
 *
 *   fast-format {-c | -x} -I#3 [-dN] [-E NAME=VALUE]... [ORIGINAL @FHINFO DESTINATION]...
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, BUFFER = 1 << 20, NAME_MAX_BYTES = 100,
       /* GNU tar reads whole ones, and no end of the image comes from the agent. */
       RECORD = 20 * BLOCK };

static char buffer[BUFFER];
static size_t filled;
static unsigned long long position;
static char history = 'n';
static FILE *agent;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void flush(void)
{
	for (size_t at = 0; at < filled;) {
		ssize_t n = write(1, buffer + at, filled - at);
		if (n <= 0)
			fail("write");
		at += n;
	}
	filled = 0;
}

static void advance(size_t bytes)
{
	filled += bytes;
	position += bytes;
	if (filled == BUFFER)
		flush();
}

/* Blocks always fit: the buffer is a multiple of them, and data is padded. */
static char *block(void)
{
	return memset(buffer + filled, 0, BLOCK);
}

static void header(const char *name, const struct stat *st, char type, long long size)
{
	char *h = block();
	unsigned sum = 0;

	if (strlen(name) > NAME_MAX_BYTES - 1)
		fail(name);
	strcpy(h, name);
	sprintf(h + 100, "%07o", st->st_mode & 07777);
	sprintf(h + 108, "%07o", st->st_uid);
	sprintf(h + 116, "%07o", st->st_gid);
	sprintf(h + 124, "%011llo", size);
	sprintf(h + 136, "%011llo", (long long)st->st_mtime);
	memset(h + 148, ' ', 8);
	h[156] = type;
	memcpy(h + 257, "ustar\00000", 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	sprintf(h + 148, "%06o", sum);
	advance(BLOCK);
}

static void say_stat(const struct stat *st)
{
	fprintf(agent, " f%c m%04o l%lu s%lld u%u g%u ta%ld tm%ld tc%ld", S_ISDIR(st->st_mode) ? 'd' : '-',
		st->st_mode & 07777, (long)st->st_nlink, (long long)st->st_size, st->st_uid, st->st_gid,
		(long)st->st_atime, (long)st->st_mtime, (long)st->st_ctime);
}

/* Names of the trees that are measured need no escapes. */
static void say(const char *path, const struct stat *st, unsigned long parent)
{
	const char *slash = strrchr(path, '/');

	if (history == 'd') {
		fprintf(agent, "HD %lu %s %lu\n", parent, *path ? (slash ? slash + 1 : path) : ".", (long)st->st_ino);
		fprintf(agent, "HN %lu @%llu", (long)st->st_ino, position);
		say_stat(st);
		putc('\n', agent);
	} else if (history != 'n') {
		fprintf(agent, "HF /%s @%llu", path, position);
		say_stat(st);
		fprintf(agent, " i%lu\n", (long)st->st_ino);
	}
}

static void save_data(int fd, long long size)
{
	long long left = size;

	while (left > 0) {
		size_t room = BUFFER - filled;
		ssize_t n = read(fd, buffer + filled, left < (long long)room ? left : (long long)room);
		if (n <= 0)
			fail("read");
		left -= n;
		advance(n);
	}
	if (size % BLOCK) {
		size_t padding = BLOCK - size % BLOCK;
		memset(buffer + filled, 0, padding);
		advance(padding);
	}
}

static void save(int at, const char *name, const char *path, unsigned long parent)
{
	struct stat st;
	struct dirent *entry;
	char stored[4096];
	DIR *dir;
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NOATIME);

	if (fd < 0 || fstat(fd, &st))
		fail(path);
	say(path, &st, *path ? parent : st.st_ino);
	if (S_ISREG(st.st_mode)) {
		header(path, &st, '0', st.st_size);
		save_data(fd, st.st_size);
		close(fd);
		return;
	}
	snprintf(stored, sizeof stored, "%s/", *path ? path : ".");
	header(stored, &st, '5', 0);
	dir = fdopendir(fd);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(stored, sizeof stored, "%s%s%s", path, *path ? "/" : "", entry->d_name);
		save(fd, entry->d_name, stored, st.st_ino);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	const char *root = "/", *last = "/";
	int mode = 'c';

	agent = fdopen(3, "w");
	for (int i = 1; i < argc; i++) {
		const char *value = !strcmp(argv[i], "-E") && i + 1 < argc ? argv[++i] : argv[i] + 2;

		if (!strcmp(argv[i], "-c") || !strcmp(argv[i], "-x"))
			mode = argv[i][1];
		else if (argv[i][0] != '-' && value == argv[i] + 2)
			last = argv[i];
		else if (!strncmp(value, "FILESYSTEM=", 11))
			root = value + 11;
		else if (!strncmp(value, "HIST=", 5))
			history = value[5] == 'y' ? 'f' : value[5];
	}
	if (mode == 'x') {
		fputs("DR 0 -1\n", agent);
		fflush(agent);
		execlp("tar", "tar", "-xpf", "-", "-C", last, (char *)0);
		fail("tar");
	}
	save(AT_FDCWD, root, "", 0);
	for (int zeros = 2; zeros > 0 || position % RECORD; zeros--) {
		block();
		advance(BLOCK);
	}
	flush();
	return fclose(agent) != 0;
}
