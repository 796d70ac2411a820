#include "base/read_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace std::chrono_literals;

namespace {

constexpr ReadOptions with_pipes{.pipes = true, .patience = 1ms};

std::string why(const Result<std::string>& read) {
    REQUIRE_FALSE(read);
    return read.error().message;
}

bool ends(const std::string& text, const std::string& end) {
    return text.ends_with(end);
}

struct Fifo {
    explicit Fifo(const std::filesystem::path& the_file) : file(the_file) { REQUIRE(::mkfifo(file.c_str(), 0600) == 0); }
    // Open for writing without waiting for a reader.
    OwnedFd writer() const { return OwnedFd(::open(file.c_str(), O_RDWR | O_CLOEXEC)); }
    std::filesystem::path file;
};

}  // namespace

TEST_CASE("a file is read whole, up to a limit, behind a link where links are followed") {
    const ScratchDir dir;
    const auto file = dir.path() / "a";
    std::ofstream(file) << "four";
    std::filesystem::create_symlink(file, dir.path() / "link");
    CHECK(read_whole_file(file, 4).value() == "four");
    CHECK(read_whole_file(dir.path() / "link", 4).value() == "four");
    CHECK(ends(why(read_whole_file(file, 3)), "a: larger than 3 bytes"));
    CHECK(ends(why(read_whole_file(dir.path() / "link", ReadOptions{.links = false})), "link: is a link, not a file"));
    const auto missing = read_whole_file(dir.path() / "b", 4);
    CHECK(missing.error().fault == Fault::not_found);
    CHECK(ends(why(missing), "b: no such file"));
    CHECK(read_whole_file(file / "below", 4).error().fault == Fault::not_found);
}

TEST_CASE("what is no file is refused at once, whatever it is") {
    const ScratchDir dir;
    const Fifo fifo(dir.path() / "fifo");
    const auto place = (dir.path() / "socket").string();
    const OwnedFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(place.size() < sizeof address.sun_path);
    place.copy(address.sun_path, place.size());
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    for (const auto& [file, kind] : {std::pair{dir.path(), "a directory"}, {fifo.file, "a pipe"}, {std::filesystem::path(place), "a socket"},
                                     {std::filesystem::path("/dev/zero"), "a device"}}) {
        const auto read = read_whole_file(file, UINT64_MAX);
        CHECK(ends(why(read), std::string(": is ") + kind + ", not a file"));
        CHECK(read.error().fault == Fault::invalid_input);
    }
    CHECK(why(read_whole_file("/dev/zero", with_pipes)) == "/dev/zero: is a device, not a file");
}

TEST_CASE("a pipe is read where that is wanted, and nobody waits for a writer that is not there, or writes nothing") {
    const ScratchDir dir;
    const Fifo fifo(dir.path() / "fifo");
    CHECK(ends(why(read_whole_file(fifo.file, with_pipes)), "is a pipe that nobody writes into"));
    {
        const auto writer = fifo.writer();
        const auto read = read_whole_file(fifo.file, with_pipes);
        CHECK(read.error().fault == Fault::timed_out);
        CHECK(ends(why(read), "is a pipe, and nothing came out of it for 0.0 s"));
    }
    // As a shell's `<(...)`: the writer has gone, what it wrote is still there.
    auto ends_of = make_pipe().value();
    REQUIRE(::write(ends_of.write_end.get(), "text", 4) == 4);
    ends_of.write_end = OwnedFd();
    CHECK(read_whole_file("/dev/fd/" + std::to_string(ends_of.read_end.get()), with_pipes).value() == "text");
}
