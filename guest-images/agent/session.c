/*
 * Sessions from their beginning to their end, and what they wait for. Nothing
 * waits but poll().
 */
#include "session.h"

struct session sessions[SESSION_LIMIT];
int session_count;
int awaits_setup;

#define MAPPING_SIZE (FRAME_HEADER + FRAME_LIMIT + OUT_SIZE + INPUT_WINDOW)

void initialize_sessions(void)
{
	for (int i = 0; i < SESSION_LIMIT; i++)
		sessions[i].connection = -1;
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

void close_end(struct session *session, enum stream stream)
{
	if (session->ends[stream] < 0)
		return;
	close(session->ends[stream]);
	session->ends[stream] = -1;
}

/* The connection's end is the command's. */
void close_session(struct session *session)
{
	if (session->process && !session->has_ended)
		kill(-session->process, SIGKILL);
	for (int i = 0; i < STREAM_COUNT; i++)
		close_end(session, i);
	close(session->connection);
	session->connection = -1;
	munmap(session->in, MAPPING_SIZE);
}

void flush(struct session *session)
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

int receive(struct session *session)
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
	if (events[0].revents & POLLOUT) {
		flush(session);
		/* What waited for room for an answer. */
		if (session->connection >= 0 && !handle_frames(session))
			close_session(session);
		if (session->connection < 0)
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
