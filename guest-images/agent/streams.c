/* The bytes between the host and a command's streams. */
#include "session.h"

/* A terminal does not say how much it holds: at most this is read after its command's end. */
#define TERMINAL_REST (256 << 10)
#define END_OF_FILE_KEY 4

/* Output */

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
int read_stream(struct session *session, enum stream stream)
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

void write_input(struct session *session)
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

int take_input(struct session *session, const unsigned char *bytes, unsigned long count)
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

void resize(struct session *session, struct reader *reader)
{
	struct winsize size = { 0 };

	size.ws_row = read_number(reader, 2);
	size.ws_col = read_number(reader, 2);
	if (!reader->failed && session->flags & RUN_TERMINAL && session->ends[STREAM_OUTPUT] >= 0)
		system3(ioctl, session->ends[STREAM_OUTPUT], TIOCSWINSZ, &size);
}

void close_stream(struct session *session, enum stream stream)
{
	if (stream == STREAM_INPUT) {
		session->input_closed = 1;
		write_input(session);
	} else {
		close_end(session, stream);
	}
}
