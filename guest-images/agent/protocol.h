/*
 * The agent's protocol, version 1: docs/agent.md. Frames over a stream: a byte
 * of type, three of the payload's length, the payload. Numbers are
 * little-endian, texts end with a NUL.
 */
#pragma once

#define PROTOCOL_VERSION 1
#define PROTOCOL_PORT 1024

#define FRAME_HEADER 4
/* The longest payload that the agent takes: RUN with its arguments and environment. */
#define FRAME_LIMIT (1 << 20)
/* The longest payload of DATA that it sends, the stream's number included. */
#define DATA_LIMIT (32 << 10)
/* What it takes of standard input before it grants more. */
#define INPUT_WINDOW (64 << 10)

enum frame_type {
	FRAME_HELLO = 1,   /* to the host: "CSAG", u16 version, u16 flags */
	FRAME_SETUP = 2,   /* to the agent: see setup.c */
	FRAME_READY = 3,   /* to the host: SETUP is done */
	FRAME_RUN = 4,     /* to the agent: see command.c */
	FRAME_STARTED = 5, /* to the host: u32 process id */
	FRAME_DATA = 6,    /* both: u8 stream, bytes */
	FRAME_WINDOW = 7,  /* both: u8 stream, u32 bytes more */
	FRAME_CLOSE = 8,   /* both: u8 stream; its writer is done, or its reader */
	FRAME_RESIZE = 9,  /* to the agent: u16 rows, u16 columns */
	FRAME_SIGNAL = 10, /* to the agent: u8 number */
	FRAME_EXIT = 11,   /* to the host: u8 status, u8 signal or 0, u16 0, u64 user us, u64 system us, u64 max RSS KiB */
	FRAME_ERROR = 12,  /* to the host: u8 status (125 to 127), text */
	FRAME_COPY = 13,   /* to the agent: see copy.c */
};

/* Flags of HELLO. */
#define HELLO_NEEDS_SETUP 1

/* Flags of RUN. */
#define RUN_INPUT 1    /* standard input comes by DATA; otherwise it is empty */
#define RUN_TERMINAL 2 /* the streams are a terminal, all output is standard output */
#define RUN_SYNC 4     /* what was written is on the disks before EXIT is sent */

/* Flags of COPY. */
#define COPY_KEPT 1 /* copied to the layer, which lives on without the device */

enum stream { STREAM_INPUT, STREAM_OUTPUT, STREAM_ERRORS, STREAM_COUNT };
