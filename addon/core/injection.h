// Failures that a test asked for, as the implementations of os.h see them.
#pragma once

#include "core/os.h"

namespace sliding_mmap::os {

// What the call is to fail with now, or 0. Lock-free: asked on every thread, in the way of every call.
int Injected(Call call);

}  // namespace sliding_mmap::os
