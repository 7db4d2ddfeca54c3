/*
 * Asks this machine's libc for the addresses of names, as programs do.
 *
 *   resolve up             has the loopback interface up
 *   resolve any NAME...    A and AAAA, which a libc asks for in parallel
 *   resolve v4 NAME...     A alone
 *   resolve v6 NAME...     AAAA alone
 *   resolve ptr ADDRESS... the name of an address
 *
 * Prints a line for each: addresses, or a name, or the name of the code that libc gives back.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
		perror("lo");
		return 1;
	}
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) {
		perror("lo");
		return 1;
	}
	close(fd);
	return 0;
}

static const char *word(int code)
{
	switch (code) {
	case EAI_NONAME: return "EAI_NONAME";
	case EAI_AGAIN: return "EAI_AGAIN";
	case EAI_FAIL: return "EAI_FAIL";
#ifdef EAI_NODATA
	case EAI_NODATA: return "EAI_NODATA";
#endif
	default: return gai_strerror(code);
	}
}

static void resolve(int family, const char *name)
{
	/* One socket type, or each address comes once for each. */
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *all, *one;
	int code = getaddrinfo(name, NULL, &hints, &all);

	if (code) {
		puts(word(code));
		return;
	}
	for (one = all; one; one = one->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address = one->ai_family == AF_INET
			? (const void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
			: (const void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;

		inet_ntop(one->ai_family, address, text, sizeof text);
		printf("%s%s", text, one->ai_next ? " " : "\n");
	}
	freeaddrinfo(all);
}

static void reverse(const char *address)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *one;
	char name[NI_MAXHOST];
	int code = getaddrinfo(address, NULL, &hints, &one);

	if (!code) {
		code = getnameinfo(one->ai_addr, one->ai_addrlen, name, sizeof name, NULL, 0,
				   NI_NAMEREQD);
		freeaddrinfo(one);
	}
	puts(code ? word(code) : name);
}

int main(int count, char **words)
{
	int family, at;

	if (count == 2 && !strcmp(words[1], "up"))
		return up();
	if (count < 3) {
		fputs("usage: resolve up | resolve any|v4|v6|ptr NAME...\n", stderr);
		return 2;
	}
	family = !strcmp(words[1], "v4") ? AF_INET : !strcmp(words[1], "v6") ? AF_INET6 : AF_UNSPEC;
	for (at = 2; at < count; at++) {
		if (!strcmp(words[1], "ptr"))
			reverse(words[at]);
		else
			resolve(family, words[at]);
	}
	return 0;
}
