/* A runner that never heard of procalive: runner FIFO COMMAND [ARG]...
   It opens the read end and becomes COMMAND, which is alive while it has it open. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 125;
	mkfifo(argv[1], 0600);
	if (open(argv[1], O_RDONLY | O_NONBLOCK) < 0) {
		perror(argv[1]);
		return 125;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
