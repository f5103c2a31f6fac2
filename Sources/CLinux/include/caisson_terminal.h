// The terminal's raw mode, undone on every way out of the process that can be caught, and pseudo-terminals.
// One terminal at a time. Each function returns 0 or the negative errno unless it says otherwise.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Puts the terminal open at `fd` into raw mode, and installs handlers that undo it: for signals that end the process
// (unless ignored, or handled already), for signals that stop it, for crashes, and at exit. `fd` stays open until
// caisson_terminal_leave_raw. -EBUSY when a terminal is raw already.
int caisson_terminal_enter_raw(int fd);

// Undoes caisson_terminal_enter_raw. Nothing to do is no error.
int caisson_terminal_leave_raw(void);

// 1 while the terminal is raw, otherwise 0.
int caisson_terminal_is_raw(void);

// The size of the terminal's window in characters.
int caisson_terminal_size(int fd, uint16_t *columns, uint16_t *rows);

// Makes a pseudo-terminal in raw mode: the master, non-blocking, and the path of its slave.
int caisson_open_pseudoterminal(int *master, char *path, size_t capacity);

// Puts a pseudo-terminal into raw mode, through either end.
int caisson_make_raw(int fd);
