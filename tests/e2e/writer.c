/*
 * Writes numbered lines to a file, as a service writes its log: appending, an even number a second,
 * opening it anew after SIGHUP.
 *
 *   writer FILE LINES LINES_A_SECOND [WORD]     "WORD 1 …", "WORD 2 …"; WORD: line
 *
 * Says at its end how many it wrote. SIGTERM ends it early.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STEP_US 2000

static volatile sig_atomic_t reopen, stop;

static void on_signal(int signo)
{
	if (signo == SIGHUP)
		reopen = 1;
	else
		stop = 1;
}

static int open_or_die(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: writer FILE LINES LINES_A_SECOND [WORD]\n");
		return 2;
	}
	long lines = atol(argv[2]), written = 0, rate = atol(argv[3]);
	const char *word = argc > 4 ? argv[4] : "line";
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	int fd = open_or_die(argv[1]);
	double begun = now();

	while (written < lines && !stop) {
		if (reopen) {
			reopen = 0;
			close(fd);
			fd = open_or_die(argv[1]);
		}
		long due = (long)((now() - begun) * (double)rate);

		for (; written < due && written < lines; written++) {
			char line[200];
			int n = snprintf(line, sizeof(line), "%s %ld of %ld, and some words more\n",
					 word, written + 1, lines);

			if (write(fd, line, (size_t)n) != n) {
				perror(argv[1]);
				return 1;
			}
		}
		usleep(STEP_US);
	}
	printf("%ld\n", written);
	return 0;
}
