// What a program does first of all, so that nothing its parent left it matters: closed descriptors, blocked or ignored
// signals, a low limit of open files.
#pragma once

#include <sys/types.h>

namespace fard {

// The process that started this one: looked up as early as possible, before it can end.
struct Parent {
    pid_t pid = 0;
    bool gone = false;  // it has ended already, and another process has adopted us
};

// One that is of another session than we are, though we did not start a session ourselves, is not who started us.
Parent find_parent();

// Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed (else a socket would take the number, and a
// message for people would go into it); lets no signal be blocked in this thread; gives SIGCHLD its default, so that
// children can be waited for; ignores SIGPIPE and SIGXFSZ, so that a reader that goes away and a file that may not grow
// further are errors of writing. Called before any thread is started.
void prepare_process();

// Raises the soft limit of open files to the hard one, at most to `most` (a limit of millions costs programs that go
// through all descriptors, and nobody here needs that many). Returns the limit that holds now.
int raise_descriptor_limit(int most = 65536);

// From now on this thread runs before all ordinary ones as soon as it wakes; threads and processes that it starts are ordinary.
// For one that keeps times and computes nothing. False: the system does not permit it (it does to root, with CAP_SYS_NICE, and
// up to RLIMIT_RTPRIO).
bool run_before_others();

// About how many descriptors this process can still open; makes one for a moment to find out.
int descriptors_left();

}  // namespace fard
