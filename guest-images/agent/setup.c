/*
 * Makes a root file system out of a disk that stays as it is, and a layer over
 * it that takes what is written. SETUP's payload: u64 seconds and u32
 * nanoseconds since 1970, u32 flags (0); the network's IPv4 address, gateway
 * and name server, 4 bytes each, and u8 prefix length, all 0 for none; then
 * texts: the root's device, its type, its mount options, the layer's device
 * (empty: memory), the layer's type, the host name. What comes behind is for
 * later versions.
 */
#include "files.h"
#include "session.h"

/* Returns from a function with `what` for what failed at `name`. */
#define RETURN_ON_ERROR(name, call)        \
	do {                               \
		int result_ = (call);      \
		if (result_ < 0) {         \
			*what = (name);    \
			return result_;    \
		}                          \
	} while (0)

/* HOST_NAME_MAX of Linux. */
#define HOST_NAME_LIMIT 64

struct network {
	unsigned int address, gateway, name_server;
	int prefix;
};

static int mount_on(const char *device, const char *target, const char *type, unsigned long flags, const char *options)
{
	return my_syscall5(__NR_mount, device, target, type, flags, options);
}

void complain(const char *what)
{
	write(2, "init: ", 6);
	write(2, what, strlen(what));
	write(2, " failed\n", 8);
}

/* A mount that much can be done without. */
void mount_at(const char *type, const char *target, unsigned long flags, const char *options)
{
	int error = mount_on(type, target, type, flags, options);

	if (error == -ENOENT) {
		mkdir(target, 0755);
		error = mount_on(type, target, type, flags, options);
	}
	if (error < 0)
		complain(target);
}

/* Network */

static void bring_up(int socket, const char *name)
{
	struct interface_request request = { 0 };

	strcpy(request.name, name);
	request.flags = INTERFACE_UP;
	if (system3(ioctl, socket, SIOCSIFFLAGS, &request) < 0)
		complain(name);
}

static int open_datagram_socket(void)
{
	return system3(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void bring_loopback_up(void)
{
	int fd = open_datagram_socket();

	bring_up(fd, "lo");
	close(fd);
}

static long set_address(int socket, unsigned long command, unsigned int address)
{
	struct interface_request request = { .name = "eth0" };

	request.address.family = AF_INET;
	request.address.address = address;
	return system3(ioctl, socket, command, &request);
}

static unsigned int netmask(int prefix)
{
	unsigned int mask = prefix ? ~0U << (32 - prefix) : 0;

	return mask << 24 | (mask & 0xff00) << 8 | (mask >> 8 & 0xff00) | mask >> 24;
}

/* A machine without that network goes on without it. */
static void configure_network(const struct network *network)
{
	struct route_request route = {
		.destination.family = AF_INET,
		.mask.family = AF_INET,
		.gateway = { .family = AF_INET, .address = network->gateway },
		.flags = ROUTE_UP | ROUTE_GATEWAY,
	};
	int fd = open_datagram_socket();

	bring_up(fd, "lo");
	if (network->address && set_address(fd, SIOCSIFADDR, network->address) == 0) {
		set_address(fd, SIOCSIFNETMASK, netmask(network->prefix));
		bring_up(fd, "eth0");
		if (network->gateway && system3(ioctl, fd, SIOCADDRT, &route) < 0)
			complain("route");
	}
	close(fd);
}

/* Files */

static char *append(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = '\0';
	return to;
}

/* `address`, in the network's order of bytes, as people write it. */
static char *append_address(char *to, unsigned int address)
{
	for (int i = 0; i < 4; i++, address >>= 8) {
		int byte = address & 255;

		if (i)
			*to++ = '.';
		if (byte >= 100)
			*to++ = '0' + byte / 100;
		if (byte >= 10)
			*to++ = '0' + byte / 10 % 10;
		*to++ = '0' + byte % 10;
	}
	return to;
}

static void write_file(const char *path, const char *text)
{
	int fd = system3(open, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		complain(path);
	close(fd);
}

/* Puts files of /etc into the layer before the overlay is there: to make them by the overlay takes ten times as long. They hide
 * what the root has there, links included. */
static void write_files(const struct network *network, const char *host_name)
{
	struct sys_stat_struct status = { 0 };
	char text[256];

	if (system2(lstat, "/lower/etc", &status) == -ENOENT)
		status.st_mode = S_IFDIR | 0755;
	if (!S_ISDIR(status.st_mode)) {
		complain("/etc");
		return;
	}
	mkdir("/layer/upper/etc", status.st_mode & 07777);
	if (status.st_uid || status.st_gid)
		chown("/layer/upper/etc", status.st_uid, status.st_gid);
	append(append(text, host_name), "\n");
	write_file("/layer/upper/etc/hostname", text);
	append(append(append(text, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 "), host_name),
	       "\n");
	write_file("/layer/upper/etc/hosts", text);
	if (network->name_server) {
		append(append_address(append(text, "nameserver "), network->name_server), "\n");
		write_file("/layer/upper/etc/resolv.conf", text);
	}
}

static int make_layers(const char *device, const char *type, const char *options, const char *layer_device,
		       const char *layer_type, const char **what)
{
	const char *layer = layer_device[0] ? layer_device : "tmpfs";

	mkdir("/lower", 0755);
	mkdir("/layer", 0755);
	mkdir("/root", 0755);
	RETURN_ON_ERROR(device, mount_on(device, "/lower", type, MS_RDONLY, options));
	RETURN_ON_ERROR(layer, mount_on(layer, "/layer", layer_type, 0, layer_device[0] ? NULL : "mode=755"));
	layer_directory = system3(open, "/layer", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	system2(mkdir, "/layer/upper", 0755);
	system2(mkdir, "/layer/work", 0755);
	return 0;
}

static int enter_root(const char **what)
{
	RETURN_ON_ERROR("overlay", mount_on("overlay", "/root", "overlay", 0,
					    "lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work"));
	mkdir("/root/dev", 0755);
	RETURN_ON_ERROR("/dev", mount_on("/dev", "/root/dev", NULL, MS_MOVE, NULL));
	RETURN_ON_ERROR("/", system1(chdir, "/root"));
	RETURN_ON_ERROR("/", mount_on(".", "/", NULL, MS_MOVE, NULL));
	RETURN_ON_ERROR("/", system1(chroot, "."));
	system1(chdir, "/");
	return 0;
}

static void mount_file_systems(void)
{
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	mount_at("proc", "/proc", quiet, NULL);
	mount_at("sysfs", "/sys", quiet, NULL);
	mkdir("/dev/pts", 0755);
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666");
	/* In memory as all of /dev. */
	mkdir("/dev/shm", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	mkdir("/run", 0755);
	mkdir("/tmp", 01777);
}

int set_up(struct reader *reader, const char **what)
{
	struct timespec time;
	struct network network;
	const char *device, *type, *options, *layer_device, *layer_type, *host_name;
	int error;

	time.tv_sec = read_number(reader, 8);
	time.tv_nsec = read_number(reader, 4);
	read_number(reader, 4);
	network.address = read_number(reader, 4);
	network.gateway = read_number(reader, 4);
	network.name_server = read_number(reader, 4);
	network.prefix = read_number(reader, 1);
	device = read_text(reader);
	type = read_text(reader);
	options = read_text(reader);
	layer_device = read_text(reader);
	layer_type = read_text(reader);
	host_name = read_text(reader);
	if (reader->failed || network.prefix > 32 || strlen(host_name) > HOST_NAME_LIMIT)
		return -EPROTO;

	if (time.tv_sec)
		system2(clock_settime, 0, &time);
	system2(sethostname, host_name, strlen(host_name));
	/* Modes are what is asked for; a command gets a mask of its own. */
	system1(umask, 0);
	mkdir("/dev", 0755);
	RETURN_ON_ERROR("/dev", mount_on("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755"));
	error = make_layers(device, type, options, layer_device, layer_type, what);
	if (error < 0)
		return error;
	write_files(&network, host_name);
	error = enter_root(what);
	if (error < 0)
		return error;
	mount_file_systems();
	configure_network(&network);
	mount_shares();
	return share_failure(what);
}
