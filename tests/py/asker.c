/* A checker that never heard of procalive: asker FIFO
   0: somebody reads it, 1: nobody does, 2: that cannot be told. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_WRONLY | O_NONBLOCK) : -1;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENXIO || errno == ENOENT)
		return 1;
	perror(argv[1]);
	return 2;
}
