/* A connection with the host, and the command that it is for: one of each. */
#pragma once

#include "protocol.h"
#include "system.h"

#define SESSION_LIMIT 16
#define OUT_SIZE (FRAME_HEADER + DATA_LIMIT + 4096)

struct session {
	/* -1: nobody has this one. */
	int connection;
	/* One mapping: incoming frames, outgoing frames, and standard input that the command did not take yet. */
	unsigned char *in, *out, *input;
	unsigned int in_count, out_start, out_end, input_start, input_end;

	/* 0 before RUN. */
	pid_t process;
	unsigned int flags;
	/* Our ends of the command's streams; -1 once closed. */
	int ends[STREAM_COUNT];
	/* Bytes that may be sent: of input by the host, of output by us. */
	unsigned long window[STREAM_COUNT];
	/* Bytes of output that are still read after the command's end. */
	unsigned long rest[STREAM_COUNT];
	/* Bytes of input that were taken and not granted anew. */
	unsigned int taken;
	/* Streams of whose end the host is to hear, a bit each. */
	unsigned int closing;
	/* The host sends no more input. */
	int input_closed;
	int has_ended, has_told_exit;
	int status;
	struct rusage usage;
	/* The stream that is read first next time. */
	int next;
};

/* A frame's payload as it is read: `failed` once it was too short. */
struct reader {
	const unsigned char *bytes, *end;
	int failed;
};

/* main.c: the environment that the kernel gave, which its command line's words are in. */
extern char **environ;

static inline unsigned int minimum(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

/* session.c */
extern struct session sessions[SESSION_LIMIT];
extern int session_count;
/* Whether there is no root file system yet: SETUP comes before all else. */
extern int awaits_setup;

void initialize_sessions(void);
void open_session(int connection);
/* Closes our end of a stream, if it is open. */
void close_end(struct session *session, enum stream stream);
/* Sends what waits to be sent; the session may be over afterwards. */
void flush(struct session *session);
/* Fills what poll() is to wait for: the connection, then the streams. */
void collect_events(struct session *session, struct pollfd *events);
void handle_events(struct session *session, const struct pollfd *events);

/* frames.c */
unsigned long read_number(struct reader *reader, int size);
const char *read_text(struct reader *reader);
/* Where the payload of a frame goes that is appended to what is to be sent. */
unsigned char *begin_frame(struct session *session, enum frame_type type, unsigned int size);
unsigned char *put_number(unsigned char *to, unsigned long value, int size);
/* Sends ERROR, after which there is nothing more. */
void send_error(struct session *session, int status, const char *what, const char *why);
void tell_exit(struct session *session);
/* Handles all whole frames that have come; false where the connection is to end. */
int handle_frames(struct session *session);

/* streams.c */
/* Does what can be done without waiting. */
void advance(struct session *session);
/* Reads a stream once, if the host has room and nothing waits to be sent; true where something was read. */
int read_stream(struct session *session, enum stream stream);
void note_end(pid_t process, int status, const struct rusage *usage);
/* Takes input from the host; a negative errno where that is more than it may send. */
int take_input(struct session *session, const unsigned char *bytes, unsigned long count);
void write_input(struct session *session);
void resize(struct session *session, struct reader *reader);
/* The host sends no more, or reads no more. */
void close_stream(struct session *session, enum stream stream);

/* setup.c: 0, or a negative errno with what failed. */
int set_up(struct reader *reader, const char **what);
void mount_at(const char *type, const char *target, unsigned long flags, const char *options);
void complain(const char *what);
void bring_loopback_up(void);

/* copy.c: 0, or a negative errno with what failed. */
int copy_in(struct reader *reader, const char **what);
/* The layers' directory, if there is one. */
extern int layer_directory;

/* pack.c: the status to exit with. */
int pack_path(const char *path);

/* shares.c: mounts what the kernel's command line says, and tells of the first that failed: 0, or a negative errno with what. */
void mount_shares(void);
int share_failure(const char **what);

/* command.c: starts what RUN says, or sends ERROR. */
void run_command(struct session *session, struct reader *reader);

/* user.c */
struct user {
	unsigned int id, group;
	unsigned int groups[64];
	int group_count;
	/* Empty where it is not known. */
	char home[256];
};

/* Who `text` is: NAME or ID, which :GROUP may follow. False where there is no such user or group. */
int find_user(const char *text, struct user *user);

/* console.c: the default guest's life, until the machine is to end. */
void start_shell(void);
void do_the_rest(void);
extern pid_t shell;

/* errors.c */
const char *error_text(int error);
