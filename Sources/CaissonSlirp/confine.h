#pragma once

// Gives up what the rest of the process's life does not need. Returns 0 or the negative errno.
int confine(void);
