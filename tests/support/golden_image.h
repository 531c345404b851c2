// SPDX-License-Identifier: Apache-2.0
// Golden images: volumes of released formats, compressed, and the list of what is in each.
#pragma once
#include <string>

#include "storage/memory_device.h"
#include "storage/volume.h"

namespace vexfs {

// An image as it lies in a file: one zstd frame. Fails the test (or the maker) when it cannot.
MemoryDevice::Image load_golden(const std::string& path);
void save_golden(const std::string& path, MemoryDevice& disk);

std::string text_of_file(const std::string& path);

// A line for each tree (pairs, their hash), each file (bytes, hash) and each pinned root.
std::string list_of(Volume& volume);

}  // namespace vexfs
