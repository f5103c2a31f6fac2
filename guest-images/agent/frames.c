/* Frames: how they are put together, and what those of the host's say. */
#include "session.h"

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

/* To the host */

unsigned char *begin_frame(struct session *session, enum frame_type type, unsigned int size)
{
	unsigned char *frame = session->out + session->out_end;

	frame[0] = type;
	frame[1] = size;
	frame[2] = size >> 8;
	frame[3] = size >> 16;
	session->out_end += FRAME_HEADER + size;
	return frame + FRAME_HEADER;
}

unsigned char *put_number(unsigned char *to, unsigned long value, int size)
{
	while (size--) {
		*to++ = value;
		value >>= 8;
	}
	return to;
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

void tell_exit(struct session *session)
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

/* From the host */

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

static void handle_copy(struct session *session, struct reader *reader)
{
	const char *what = "COPY";
	int error = copy_in(reader, &what);

	if (error < 0)
		send_error(session, 125, what, error_text(-error));
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
	if (type == FRAME_COPY && !awaits_setup) {
		handle_copy(session, reader);
		return 0;
	}
	if (type == FRAME_RUN && !awaits_setup) {
		run_command(session, reader);
		return 0;
	}
	return -EPROTO;
}

/* False once the connection has ended. */
int handle_frames(struct session *session)
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
