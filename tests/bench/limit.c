/* The physical limit: the system calls that a check, a hold or a wait cannot do
 * without, and nothing else.  Linked statically, so that not even ld.so counts.
 *
 *   limit check FIFO              0 held, 1 not
 *   limit loop N FIFO             prints the nanoseconds that one check takes
 *   limit hold FIFO COMMAND...    takes the FIFO and becomes the command
 *   limit wait FIFO               prints the clock when nobody holds it any more
 *   limit stamp                   prints the clock: a command's first instruction
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* the clock of Python's time.monotonic_ns() */
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Alive, and proven to be a FIFO: the same proof that procalive asks for. */
static int check(const char *path)
{
    struct stat found;
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        stat(path, &found);
        return 1;
    }
    fstat(fd, &found);
    close(fd);
    return !S_ISFIFO(found.st_mode);
}

static int loop(long count, const char *path)
{
    long long start = now();
    for (long i = 0; i < count; i++)
        check(path);
    printf("%.3f\n", (double)(now() - start) / count);
    return 0;
}

static int hold(char **args)
{
    int fd = open(args[0], O_RDONLY | O_NONBLOCK);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
        return 75;
    execvp(args[1], args + 1);
    return 127;
}

static void sleep_until_gone(int fd)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    epoll_wait(epoll, &event, 1, 0); /* a fresh registration reports once */
    if (!(event.events & EPOLLERR)) /* gone since open(2): nothing else would come */
        epoll_wait(epoll, &event, 1, -1);
}

static int wait_gone(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK);
    if (fd >= 0)
        sleep_until_gone(fd);
    printf("%lld\n", now());
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc == 3 && !strcmp(verb, "check"))
        return check(argv[2]);
    if (argc == 4 && !strcmp(verb, "loop"))
        return loop(atol(argv[2]), argv[3]);
    if (argc > 3 && !strcmp(verb, "hold"))
        return hold(argv + 2);
    if (argc == 3 && !strcmp(verb, "wait"))
        return wait_gone(argv[2]);
    if (argc == 2 && !strcmp(verb, "stamp"))
        return printf("%lld\n", now()) < 0;
    return 2;
}
