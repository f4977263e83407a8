/*
 * Preloaded into Debian's ndmjob. It can only bind every interface: here it binds loopback. And its
 * allocator answers NULL for an empty array, which its own code takes for lack of memory: here an
 * empty array gets a byte.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *some(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

void *g_malloc(size_t bytes) { return some(malloc(bytes ? bytes : 1)); }

void *g_malloc0(size_t bytes) { return some(calloc(1, bytes ? bytes : 1)); }

int bind(int socket, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_in local;

	if (address->sa_family != AF_INET || length < sizeof local)
		return syscall(SYS_bind, socket, address, length);
	local = *(const struct sockaddr_in *)address;
	if (local.sin_addr.s_addr == htonl(INADDR_ANY))
		local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return syscall(SYS_bind, socket, &local, sizeof local);
}
