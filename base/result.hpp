// The one error model of fard. Outcomes that a caller must expect are in the return type: Result<T> holds a value
// or an Error. Throwing libraries are fenced in one file each, which turns their exceptions into Errors. Broken
// invariants of our own are asserts; bytes of a peer, a model file or a flag never reach one.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace fard {

// What kind of failure: decides exit codes and whether trying elsewhere makes sense. The numbers travel on the wire.
enum class Fault : unsigned char {
    invalid_input = 1,  // the caller's data or flags are wrong; trying again cannot help (exit 2)
    not_found = 2,      // a named thing does not exist here
    refused = 3,        // understood, and declined with a reason (capacity, epoch, cluster id)
    unreachable = 4,    // nobody answered, or the connection broke (exit 3)
    timed_out = 5,      // a deadline passed
    corrupt = 6,        // bytes that fail a hash, a size or a grammar
    unsupported = 7,    // valid, but something that fard does not run
    io = 8,             // the operating system said no
    cancelled = 9,      // somebody asked for it
    failed = 10,        // the work itself failed (a job threw, a position was lost three times)
};

struct Error {
    Fault fault = Fault::failed;
    std::string message;  // what was wrong, where, and what to do: a sentence for people
};

template <typename T = void>
using Result = tl::expected<T, Error>;

// Builds the failing side of a Result from a format string.
template <typename... Args>
tl::unexpected<Error> fail(Fault fault, fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Error>(Error{fault, fmt::format(format, std::forward<Args>(args)...)});
}

// Hands an Error of one Result on as the failing side of another.
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// The same fault with "context: " before its message, for the caller who knows where it happened.
inline tl::unexpected<Error> fail_in(const std::string& context, const Error& error) {
    return tl::unexpected<Error>(Error{error.fault, context + ": " + error.message});
}

// The process exit code that a fault that ends a command stands for: 2 wrong input, 3 nobody to talk to, else 1.
constexpr int exit_code(Fault fault) {
    switch (fault) {
        case Fault::invalid_input:
        case Fault::unsupported:
        case Fault::not_found:
        case Fault::corrupt: return 2;
        case Fault::unreachable: return 3;
        default: return 1;
    }
}

}  // namespace fard
