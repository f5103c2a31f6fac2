#pragma once
#include <libfdt.h>
