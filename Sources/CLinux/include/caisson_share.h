// Files of a shared directory, each reached by a descriptor and one name in it: no call follows a symbolic link, and none opens
// anything but a regular file or a directory for its contents. Each returns the negative errno on failure.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>

struct caisson_file_status {
    uint64_t device, inode, size, blocks;
    // Nanoseconds since 1970, of the inode's making; 0 where the file system does not say.
    uint64_t birth;
    int64_t accessed, modified, changed;
    uint32_t accessed_nanoseconds, modified_nanoseconds, changed_nanoseconds;
    uint32_t mode, links, user, group, special_device, block_size;
};

struct caisson_file_system_status {
    uint64_t blocks, free_blocks, available_blocks, files, free_files;
    uint32_t block_size, name_length, fragment_size;
};

// Of the name in the directory, or with an empty name of the descriptor itself.
int caisson_status_of(int directory, const char *name, struct caisson_file_status *status);
int caisson_status_of_file_system(int fd, struct caisson_file_system_status *status);

// A descriptor that stands for the name in the directory, whatever it is, and opens nothing (O_PATH).
int caisson_open_node(int directory, const char *name);
// The same for an open directory itself.
int caisson_open_own_node(int directory);
// A directory by its path, of which symbolic links are followed.
int caisson_open_shared_directory(const char *path);
// Opens what a descriptor of caisson_open_node stands for; -ENXIO unless that is a regular file or a directory.
int caisson_open_contents(int node, int flags);
// Makes a regular file that was not there, and opens it.
int caisson_create_in(int directory, const char *name, int flags, uint32_t mode);

int caisson_make_directory_in(int directory, const char *name, uint32_t mode);
// Regular files, FIFOs and sockets.
int caisson_make_node_in(int directory, const char *name, uint32_t mode);
int caisson_make_link_in(int directory, const char *name, const char *target);
// A further name for what `node` stands for.
int caisson_link_node(int node, int directory, const char *name);
int caisson_remove_from(int directory, const char *name, int is_directory);
int caisson_rename_in(int from, const char *name, int to, const char *new_name, unsigned flags);
int64_t caisson_read_link(int node, void *to, size_t count);

// Of what `node` stands for. An id of UINT32_MAX stays as it is, as do times of UTIME_OMIT.
int caisson_change_mode(int node, uint32_t mode);
int caisson_change_owner(int node, uint32_t user, uint32_t group);
int caisson_change_times(int node, struct timespec accessed, struct timespec modified);
extern const int64_t caisson_time_now, caisson_time_omitted;

// Extended attributes of a regular file or directory that `node` stands for.
int64_t caisson_get_attribute(int node, const char *name, void *to, size_t count);
int caisson_set_attribute(int node, const char *name, const void *value, size_t count, int flags);
int64_t caisson_list_attributes(int node, void *to, size_t count);
int caisson_remove_attribute(int node, const char *name);

// Of open files. `append` writes at the end, wherever that is then.
int64_t caisson_append(int fd, const struct iovec *segments, int count);
int caisson_change_open_mode(int fd, uint32_t mode);
int caisson_truncate(int fd, uint64_t size);
int caisson_allocate(int fd, int mode, uint64_t offset, uint64_t count);
int64_t caisson_seek(int fd, uint64_t offset, int whence);
extern const int caisson_seek_data, caisson_seek_hole;
int64_t caisson_copy_range(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t count);
int caisson_sync_file(int fd, int data_only);
int caisson_sync_file_system(int fd);

// The next entries of an open directory, as getdents64(2) has them; 0 at the end.
int64_t caisson_read_entries(int directory, void *to, size_t count);

// Has files that this thread makes be the user's and group's, with this process's rights otherwise; and its own again. Where the process
// may not, nothing happens.
void caisson_become_creator(uint32_t user, uint32_t group);
void caisson_become_oneself(void);

// This thread makes files with the modes that it asks for, whatever the mask of the process. Returns 0 or the negative errno.
int caisson_clear_own_mask(void);

// Raises the limit of descriptors as far as the process may, and returns it.
uint64_t caisson_raise_descriptor_limit(void);

// The time of day as file systems take it for their files.
int caisson_coarse_time(struct timespec *time);
