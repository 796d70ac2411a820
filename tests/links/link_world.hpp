// Both ends of real links in one process: a directory for sockets, terms, chunks, and waiting without
// sleeping.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "runtime/peer/link.hpp"
#include "tests/patience.hpp"

namespace fard::testing {

struct LinkDir {
    LinkDir() {
        char name[] = "/tmp/fard-links-XXXXXX";
        path = mkdtemp(name);
    }
    ~LinkDir() { std::filesystem::remove_all(path); }
    std::string place() const { return "ipc:" + path.string(); }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
    }
    std::filesystem::path path;
};

inline TensorDesc bytes_tensor(std::string name, std::int64_t bytes) {
    return {.name = std::move(name),
            .shape = {1, bytes},
            .layout = "NC",
            .type = DataType::uint(8),
            .declared = "UINT8"};
}

inline LinkTerms terms_of(std::int64_t bytes, std::uint64_t window) {
    LinkTerms terms{.run = {"00112233445566778899aabbccddeeff"},
                    .epoch = {1, 2},
                    .tensors = {bytes_tensor("x", bytes)},
                    .overlay = "",
                    .positions = 3,
                    .budget_bytes = 0};
    terms.budget_bytes = window * terms.chunk_bytes();
    return terms;
}

// A chunk whose bytes depend on its index.
inline Chunk chunk_of(std::uint64_t index, const LinkTerms& terms) {
    Chunk chunk;
    chunk.index = index;
    for (const auto& tensor : terms.tensors) {
        auto& frame = chunk.tensors.emplace_back(tensor.wire_bytes());
        std::size_t i = 0;
        for (auto& byte : frame.writable())
            byte = static_cast<std::byte>(index * 31 + i++);
    }
    return chunk;
}

// Calls `done` until it says true, waiting for the descriptors in between; fails the test when its patience is at an end.
inline void until(const std::vector<int>& fds, const std::function<bool()>& done) {
    std::vector<pollfd> polled;
    for (const int fd : fds)
        polled.push_back({fd, POLLIN, 0});
    const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(10));
    while (!done()) {
        if (std::chrono::steady_clock::now() >= deadline) FAIL("nothing happened for too long");
        ::poll(polled.data(), polled.size(), 10);
    }
}

// A link of both ends, opened.
struct OpenLink {
    OpenLink(SocketFactory& sockets, const std::string& place, const LinkTerms& terms)
        : receiver(LinkReceiver::bind(sockets, place, terms).value()),
          sender(LinkSender::connect(sockets, receiver.endpoint(), terms, "0/0").value()) {
        until({sender.fd()}, [&] { return sender.open(); });
    }
    Chunk next() {
        std::optional<Chunk> chunk;
        until({receiver.fd()}, [&] { return (chunk = receiver.receive().value()).has_value(); });
        return std::move(*chunk);
    }
    LinkReceiver receiver;
    LinkSender sender;
};

}  // namespace fard::testing
