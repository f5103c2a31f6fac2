// What a guest may say to the host itself.
//
// libslirp leads every address of its network, and 127.0.0.1, to the host's loopback interface, where services listen
// that trust everybody there. It can be told not to, but this leaves 127.0.0.1, any port of a name server on that
// interface, and forbids answers to who comes from there to a UDP port that is published. So the rules are these.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Remembers from a frame for the guest who may be answered.
void filter_note(const uint8_t *frame, size_t count);

enum filter_verdict { FILTER_PASS, FILTER_DROP, FILTER_REFUSE };

// What to do with a frame of the guest's. For FILTER_REFUSE, `answer` is set to a frame that tells it that nobody listens.
enum filter_verdict filter_frame(const uint8_t *frame, size_t count, uint8_t answer[static 54]);
