/*
 * Sessions: frames from and to the host, and the bytes between it and a
 * command's streams. Nothing waits but poll().
 */
#include "session.h"

struct session sessions[SESSION_LIMIT];
int session_count;
int awaits_setup;

#define MAPPING_SIZE (FRAME_HEADER + FRAME_LIMIT + OUT_SIZE + INPUT_WINDOW)
/* A terminal does not say how much it holds: at most this is read after its command's end. */
#define TERMINAL_REST (256 << 10)
#define END_OF_FILE_KEY 4

static unsigned int minimum(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

/* Reading payloads */

unsigned long read_number(struct reader *reader, int size)
{
	unsigned long value = 0;

	if (reader->end - reader->bytes < size) {
		reader->failed = 1;
		return 0;
	}
	for (int i = 0; i < size; i++)
		value |= (unsigned long)*reader->bytes++ << 8 * i;
	return value;
}

const char *read_text(struct reader *reader)
{
	const char *text = (const char *)reader->bytes;

	while (reader->bytes < reader->end)
		if (!*reader->bytes++)
			return text;
	reader->failed = 1;
	return "";
}

/* Opening and closing */

void initialize_sessions(void)
{
	for (int i = 0; i < SESSION_LIMIT; i++)
		sessions[i].connection = -1;
}

static unsigned char *begin_frame(struct session *session, enum frame_type type, unsigned int size)
{
	unsigned char *frame = session->out + session->out_end;

	frame[0] = type;
	frame[1] = size;
	frame[2] = size >> 8;
	frame[3] = size >> 16;
	session->out_end += FRAME_HEADER + size;
	return frame + FRAME_HEADER;
}

static unsigned char *put_number(unsigned char *to, unsigned long value, int size)
{
	while (size--) {
		*to++ = value;
		value >>= 8;
	}
	return to;
}

void open_session(int connection)
{
	unsigned char *memory;
	struct session *session = sessions;

	while (session < sessions + SESSION_LIMIT && session->connection >= 0)
		session++;
	memory = session == sessions + SESSION_LIMIT
			 ? MAP_FAILED
			 : mmap(NULL, MAPPING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		close(connection);
		return;
	}
	memset(session, 0, sizeof(*session));
	session->connection = connection;
	session->in = memory;
	session->out = memory + FRAME_HEADER + FRAME_LIMIT;
	session->input = session->out + OUT_SIZE;
	for (int i = 0; i < STREAM_COUNT; i++)
		session->ends[i] = -1;
	if (session - sessions >= session_count)
		session_count = session - sessions + 1;

	memory = begin_frame(session, FRAME_HELLO, 8);
	memcpy(memory, "CSAG", 4);
	put_number(memory + 4, PROTOCOL_VERSION, 2);
	put_number(memory + 6, awaits_setup ? HELLO_NEEDS_SETUP : 0, 2);
	advance(session);
}

static void close_end(struct session *session, enum stream stream)
{
	if (session->ends[stream] < 0)
		return;
	close(session->ends[stream]);
	session->ends[stream] = -1;
}

/* The connection's end is the command's. */
static void close_session(struct session *session)
{
	if (session->process && !session->has_ended)
		kill(-session->process, SIGKILL);
	for (int i = 0; i < STREAM_COUNT; i++)
		close_end(session, i);
	close(session->connection);
	session->connection = -1;
	munmap(session->in, MAPPING_SIZE);
}

/* Frames to the host */

static void flush(struct session *session)
{
	while (session->connection >= 0 && session->out_start < session->out_end) {
		long sent = system6(sendto, session->connection, session->out + session->out_start,
				    session->out_end - session->out_start, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
		if (sent == -EAGAIN)
			return;
		if (sent < 0) {
			close_session(session);
			return;
		}
		session->out_start += sent;
	}
	session->out_start = session->out_end = 0;
}

void send_error(struct session *session, int status, const char *what, const char *why)
{
	unsigned int what_size = minimum(strlen(what), 1024), why_size = strlen(why);
	unsigned char *payload = begin_frame(session, FRAME_ERROR, 1 + what_size + 2 + why_size + 1);

	*payload++ = status;
	memcpy(payload, what, what_size);
	memcpy(payload + what_size, ": ", 2);
	memcpy(payload + what_size + 2, why, why_size + 1);
	session->has_told_exit = 1;
}

static void tell_exit(struct session *session)
{
	unsigned char *payload;
	const struct rusage *usage = &session->usage;

	if (session->flags & RUN_SYNC)
		my_syscall0(__NR_sync);
	payload = begin_frame(session, FRAME_EXIT, 28);
	*payload++ = WEXITSTATUS(session->status);
	/* The signal, without the mark of a core dump. */
	*payload++ = session->status & 0x7f;
	payload = put_number(payload, 0, 2);
	payload = put_number(payload, usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec, 8);
	payload = put_number(payload, usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec, 8);
	put_number(payload, usage->ru_maxrss, 8);
	session->has_told_exit = 1;
}

/* What is due and small, as far as there is room. */
static void tell_changes(struct session *session)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (!(session->closing & 1U << i) || OUT_SIZE - session->out_end < 64)
			continue;
		*begin_frame(session, FRAME_CLOSE, 1) = i;
		session->closing &= ~(1U << i);
	}
	if (session->taken >= INPUT_WINDOW / 2 && OUT_SIZE - session->out_end >= 64) {
		unsigned char *payload = begin_frame(session, FRAME_WINDOW, 5);

		*payload = STREAM_INPUT;
		put_number(payload + 1, session->taken, 4);
		session->window[STREAM_INPUT] += session->taken;
		session->taken = 0;
	}
}

/* Reads a stream once, if the host has room and nothing waits to be sent; true where something was read. */
static int read_stream(struct session *session, enum stream stream)
{
	unsigned char *payload = session->out + FRAME_HEADER;
	unsigned long limit = minimum(DATA_LIMIT - 1, session->window[stream]);
	long count;

	if (session->has_ended)
		limit = minimum(limit, session->rest[stream]);
	if (session->ends[stream] < 0 || !limit || session->out_end)
		return 0;
	count = system3(read, session->ends[stream], payload + 1, limit);
	if (count == -EAGAIN) {
		session->rest[stream] = 0;
		return 0;
	}
	if (count <= 0) {
		/* A terminal that nobody has open any more gives EIO. */
		close_end(session, stream);
		session->closing |= 1U << stream;
		return 0;
	}
	begin_frame(session, FRAME_DATA, 1 + count);
	*payload = stream;
	session->window[stream] -= count;
	if (session->has_ended)
		session->rest[stream] -= count;
	return 1;
}

static int is_drained(const struct session *session, enum stream stream)
{
	return session->ends[stream] < 0 || !session->rest[stream];
}

void advance(struct session *session)
{
	int moved = 1;

	while (session->connection >= 0 && moved) {
		moved = 0;
		tell_changes(session);
		flush(session);
		if (session->connection < 0 || session->out_end || !session->has_ended || session->has_told_exit)
			return;
		if (is_drained(session, STREAM_OUTPUT) && is_drained(session, STREAM_ERRORS)) {
			tell_exit(session);
			moved = 1;
		} else {
			moved = read_stream(session, STREAM_OUTPUT) || read_stream(session, STREAM_ERRORS) ||
				(is_drained(session, STREAM_OUTPUT) && is_drained(session, STREAM_ERRORS));
		}
	}
}

/* What other processes that have a pipe open write to it later is lost: they do not hold up the end. */
static void note_rest(struct session *session, enum stream stream)
{
	unsigned int count = 0;

	if (session->ends[stream] < 0)
		return;
	if (session->flags & RUN_TERMINAL)
		count = TERMINAL_REST;
	else
		system3(ioctl, session->ends[stream], FIONREAD, &count);
	session->rest[stream] = count;
}

void note_end(pid_t process, int status, const struct rusage *usage)
{
	for (struct session *session = sessions; session < sessions + session_count; session++) {
		if (session->connection < 0 || session->process != process || session->has_ended)
			continue;
		session->has_ended = 1;
		session->status = status;
		session->usage = *usage;
		close_end(session, STREAM_INPUT);
		note_rest(session, STREAM_OUTPUT);
		note_rest(session, STREAM_ERRORS);
		advance(session);
	}
}

/* Standard input */

static void write_input(struct session *session)
{
	while (session->ends[STREAM_INPUT] >= 0 && session->input_start < session->input_end) {
		long count = system3(write, session->ends[STREAM_INPUT], session->input + session->input_start,
				     session->input_end - session->input_start);
		if (count == -EAGAIN)
			return;
		if (count < 0) {
			close_end(session, STREAM_INPUT);
			session->closing |= 1U << STREAM_INPUT;
			return;
		}
		session->input_start += count;
		session->taken += count;
	}
	session->input_start = session->input_end = 0;
	if (session->input_closed && session->ends[STREAM_INPUT] >= 0) {
		if (session->flags & RUN_TERMINAL) {
			/* A terminal has no end of its own: its key for that. */
			session->input[0] = END_OF_FILE_KEY;
			session->input_end = 1;
			session->input_closed = 0;
			write_input(session);
		} else {
			close_end(session, STREAM_INPUT);
		}
	}
}

static int take_input(struct session *session, const unsigned char *bytes, unsigned long count)
{
	if (count > session->window[STREAM_INPUT] || session->input_closed)
		return -EPROTO;
	session->window[STREAM_INPUT] -= count;
	if (session->ends[STREAM_INPUT] < 0)
		return 0;
	if (INPUT_WINDOW - session->input_end < count) {
		memmove(session->input, session->input + session->input_start,
			session->input_end - session->input_start);
		session->input_end -= session->input_start;
		session->input_start = 0;
	}
	memcpy(session->input + session->input_end, bytes, count);
	session->input_end += count;
	write_input(session);
	return 0;
}

/* Frames from the host */

static void resize(struct session *session, struct reader *reader)
{
	struct winsize size = { 0 };

	size.ws_row = read_number(reader, 2);
	size.ws_col = read_number(reader, 2);
	if (!reader->failed && session->flags & RUN_TERMINAL && session->ends[STREAM_OUTPUT] >= 0)
		system3(ioctl, session->ends[STREAM_OUTPUT], TIOCSWINSZ, &size);
}

static void close_stream(struct session *session, enum stream stream)
{
	if (stream == STREAM_INPUT) {
		session->input_closed = 1;
		write_input(session);
	} else {
		close_end(session, stream);
	}
}

static void handle_setup(struct session *session, struct reader *reader)
{
	const char *what = "SETUP";
	int error = set_up(reader, &what);

	awaits_setup = 0;
	if (error < 0)
		send_error(session, 125, what, error_text(-error));
	else
		begin_frame(session, FRAME_READY, 0);
}

static int handle_run_frame(struct session *session, enum frame_type type, struct reader *reader)
{
	unsigned long stream, number;

	switch (type) {
	case FRAME_DATA:
		stream = read_number(reader, 1);
		return stream == STREAM_INPUT && !reader->failed
			       ? take_input(session, reader->bytes, reader->end - reader->bytes)
			       : -EPROTO;
	case FRAME_WINDOW:
		stream = read_number(reader, 1);
		number = read_number(reader, 4);
		if (reader->failed || (stream != STREAM_OUTPUT && stream != STREAM_ERRORS))
			return -EPROTO;
		session->window[stream] += number;
		return 0;
	case FRAME_CLOSE:
		stream = read_number(reader, 1);
		if (reader->failed || stream >= STREAM_COUNT)
			return -EPROTO;
		close_stream(session, stream);
		return 0;
	case FRAME_RESIZE:
		resize(session, reader);
		return 0;
	case FRAME_SIGNAL:
		number = read_number(reader, 1);
		if (!reader->failed && !session->has_ended)
			kill(-session->process, number);
		return 0;
	default:
		return -EPROTO;
	}
}

static int handle_frame(struct session *session, enum frame_type type, struct reader *reader)
{
	/* The host may have sent more before it heard of an error. */
	if (session->has_told_exit)
		return 0;
	if (session->process)
		return handle_run_frame(session, type, reader);
	if (type == FRAME_SETUP && awaits_setup) {
		handle_setup(session, reader);
		return 0;
	}
	if (type == FRAME_RUN && !awaits_setup) {
		run_command(session, reader);
		return 0;
	}
	return -EPROTO;
}

/* False once the connection has ended. */
static int handle_frames(struct session *session)
{
	unsigned int start = 0;

	while (session->in_count - start >= FRAME_HEADER) {
		unsigned char *frame = session->in + start;
		unsigned int size = frame[1] | frame[2] << 8 | frame[3] << 16;
		struct reader reader = { frame + FRAME_HEADER, frame + FRAME_HEADER + size, 0 };

		if (size > FRAME_LIMIT)
			return 0;
		if (session->in_count - start < FRAME_HEADER + size)
			break;
		/* Room for an answer, in case the host takes none of ours. */
		if (OUT_SIZE - session->out_end < 2048)
			break;
		if (handle_frame(session, frame[0], &reader) < 0)
			return 0;
		start += FRAME_HEADER + size;
	}
	session->in_count -= start;
	if (start)
		memmove(session->in, session->in + start, session->in_count);
	return 1;
}

static int receive(struct session *session)
{
	long count = system6(recvfrom, session->connection, session->in + session->in_count,
			     FRAME_HEADER + FRAME_LIMIT - session->in_count, MSG_DONTWAIT, NULL, NULL);
	if (count == -EAGAIN)
		return 1;
	if (count <= 0)
		return 0;
	session->in_count += count;
	return handle_frames(session);
}

/* Waiting */

void collect_events(struct session *session, struct pollfd *events)
{
	events[0].fd = session->connection;
	events[0].events = (session->in_count < FRAME_HEADER + FRAME_LIMIT ? POLLIN : 0) |
			   (session->out_end ? POLLOUT : 0);
	events[1].fd = session->input_start < session->input_end ? session->ends[STREAM_INPUT] : -1;
	events[1].events = POLLOUT;
	for (int i = STREAM_OUTPUT; i <= STREAM_ERRORS; i++) {
		int waits = session->connection >= 0 && session->window[i] && !session->out_end && !session->has_ended;

		events[1 + i].fd = waits ? session->ends[i] : -1;
		events[1 + i].events = POLLIN;
	}
	if (session->connection < 0)
		events[1].fd = -1;
}

void handle_events(struct session *session, const struct pollfd *events)
{
	if (session->connection < 0)
		return;
	if (events[0].revents & (POLLIN | POLLHUP | POLLERR) && !receive(session)) {
		close_session(session);
		return;
	}
	if (events[1].revents)
		write_input(session);
	/* In turn, so that neither holds up the other for ever. */
	for (int i = 0, first = session->next; i < 2; i++) {
		int stream = STREAM_OUTPUT + (first + i) % 2;

		if (events[1 + stream].revents && read_stream(session, stream)) {
			session->next = (first + i + 1) % 2;
			flush(session);
			if (session->connection < 0)
				return;
		}
	}
	advance(session);
}
