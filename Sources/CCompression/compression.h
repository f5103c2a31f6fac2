#pragma once
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
