/* Users and groups, from /etc/passwd and /etc/group of the root file system. */
#include "session.h"

/* Of a line; longer ones are passed over. */
#define LINE_LIMIT 16384
#define GROUP_LIMIT ((int)(sizeof(((struct user *)0)->groups) / sizeof(unsigned int)))

struct lines {
	int fd;
	unsigned int start, end;
	char buffer[LINE_LIMIT];
};

/* The next line, without its end; NULL after the last one. */
static char *next_line(struct lines *lines)
{
	int is_too_long = 0;

	for (;;) {
		for (unsigned int i = lines->start; i < lines->end; i++) {
			char *line = lines->buffer + lines->start;

			if (lines->buffer[i] != '\n')
				continue;
			lines->buffer[i] = '\0';
			lines->start = i + 1;
			if (!is_too_long)
				return line;
			is_too_long = 0;
		}
		if (lines->start) {
			memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
			lines->end -= lines->start;
			lines->start = 0;
		} else if (lines->end == LINE_LIMIT - 1) {
			is_too_long = 1;
			lines->end = 0;
		}
		long count = system3(read, lines->fd, lines->buffer + lines->end, LINE_LIMIT - 1 - lines->end);
		if (count <= 0) {
			if (!lines->end || is_too_long)
				return NULL;
			/* The last line has no end. */
			lines->buffer[lines->end] = '\0';
			lines->end = 0;
			return lines->buffer;
		}
		lines->end += count;
	}
}

/* The text up to the next colon; `line` goes on behind it. */
static char *next_field(char **line)
{
	char *field = *line, *end = field;

	while (*end && *end != ':')
		end++;
	*line = *end ? end + 1 : end;
	*end = '\0';
	return field;
}

/* True where `text` is a number that fits. */
static int parse_number(const char *text, unsigned int *number)
{
	unsigned long value = 0;

	if (!*text)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		value = value * 10 + *text - '0';
		if (value >= 0xffffffff)
			return 0;
	}
	*number = value;
	return 1;
}

static int open_lines(struct lines *lines, const char *path)
{
	lines->fd = system3(open, path, O_RDONLY | O_CLOEXEC, 0);
	lines->start = lines->end = 0;
	return lines->fd >= 0;
}

/* Takes NAME:x:ID:GROUP:…:HOME:… of /etc/passwd; keeps the name for /etc/group. */
static int find_in_passwd(struct lines *lines, const char *text, struct user *user, char *name)
{
	unsigned int number;
	int is_number = parse_number(text, &number), found = 0;
	char *line;

	if (!open_lines(lines, "/etc/passwd"))
		return 0;
	while (!found && (line = next_line(lines))) {
		unsigned int id, group;
		const char *login = next_field(&line), *home;
		int has_numbers;

		next_field(&line);
		has_numbers = parse_number(next_field(&line), &id) & parse_number(next_field(&line), &group);
		next_field(&line);
		home = next_field(&line);
		if (!has_numbers || !(strcmp(login, text) == 0 || (is_number && id == number)))
			continue;
		found = 1;
		user->id = id;
		user->group = group;
		user->home[0] = '\0';
		if (strlen(home) < sizeof(user->home))
			strcpy(user->home, home);
		if (strlen(login) < 256)
			strcpy(name, login);
	}
	close(lines->fd);
	return found;
}

static int is_member(char *members, const char *name)
{
	unsigned long length = strlen(name);

	while (*members) {
		char *end = members;

		while (*end && *end != ',')
			end++;
		if (length && (unsigned long)(end - members) == length && memcmp(members, name, length) == 0)
			return 1;
		members = *end ? end + 1 : end;
	}
	return 0;
}

/* The group of that name; NULL: those that `name` is a member of. */
static int find_in_group(struct lines *lines, const char *wanted, const char *name, struct user *user)
{
	int found = 0;
	char *line;

	if (!open_lines(lines, "/etc/group"))
		return 0;
	while (!(wanted && found) && (line = next_line(lines))) {
		unsigned int id;
		const char *group = next_field(&line);

		next_field(&line);
		if (!parse_number(next_field(&line), &id))
			continue;
		if (wanted && strcmp(group, wanted) == 0) {
			user->group = id;
			found = 1;
		} else if (!wanted && user->group_count < GROUP_LIMIT && is_member(line, name)) {
			user->groups[user->group_count++] = id;
		}
	}
	close(lines->fd);
	return found;
}

int find_user(const char *text, struct user *user)
{
	static struct lines lines;
	char login[256], name[256] = "";
	const char *group = text;
	unsigned long length;

	while (*group && *group != ':')
		group++;
	length = group - text;
	if (length >= sizeof(login))
		return 0;
	memcpy(login, text, length);
	login[length] = '\0';
	user->id = user->group = 0;
	user->group_count = 0;
	user->home[0] = '\0';
	/* A number needs no entry. */
	if (!find_in_passwd(&lines, length ? login : "0", user, name) && !parse_number(login, &user->id) && length)
		return 0;
	if (!*group) {
		find_in_group(&lines, NULL, name, user);
	} else if (!parse_number(group + 1, &user->group) && !find_in_group(&lines, group + 1, NULL, user)) {
		return 0;
	}
	return 1;
}
