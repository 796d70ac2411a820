#include "base/npy.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <random>

#include "base/npy_header.hpp"

using namespace fard;
namespace fs = std::filesystem;

namespace {

struct Scratch {
    Scratch() {
        std::string name = (fs::temp_directory_path() / "fard-npy-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        dir = name;
    }
    ~Scratch() { fs::remove_all(dir); }
    std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir), {}));
    }
    fs::path dir;
};

std::vector<std::byte> to_bytes(const std::string& text) {
    std::vector<std::byte> bytes(text.size());
    if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

std::string file_of(const std::string& dictionary, const std::string& data, char major = 1) {
    std::string out = "\x93NUMPY";
    out +=
        {major, '\0', static_cast<char>(dictionary.size() & 0xff), static_cast<char>(dictionary.size() >> 8)};
    if (major > 1) out += std::string(2, '\0');
    return out + dictionary + data;
}

Result<NpyArray> parse(const std::string& text) {
    return parse_npy(to_bytes(text), "x.npy");
}

void refuses(const std::string& text, Fault fault, const std::string& about) {
    const auto array = parse(text);
    REQUIRE_FALSE(array);
    INFO(array.error().message);
    CHECK(array.error().fault == fault);
    CHECK(array.error().message.find(about) != std::string::npos);
    CHECK(array.error().message.find("x.npy: ") == 0);
}

std::string dictionary(const std::string& descr, const std::string& order, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }   \n";
}

}  // namespace

TEST_CASE("what NumPy wrote is read") {
    // numpy.save of numpy.array([[1, -2, 3]], 'int16')
    auto header = dictionary("<i2", "False", "(1, 3)");
    const auto array = parse(file_of(header, std::string("\1\0\xfe\xff\3\0", 6))).value();
    CHECK(array.type == NpyType::i2);
    CHECK(array.shape == std::vector<std::int64_t>{1, 3});
    std::int16_t values[3];
    std::memcpy(values, array.bytes.data(), 6);
    CHECK(values[1] == -2);
    CHECK(parse(file_of(header, "abcdef", 2))->elements() == 3);
    CHECK(parse(file_of(header, "abcdef", 3))->elements() == 3);
    CHECK(parse(file_of("{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"|u1\"}", "ab"))->elements() ==
          2);
    CHECK(parse(file_of(dictionary("<f8", "False", "()"), "12345678"))->shape.empty());
    CHECK(parse(file_of(dictionary("<f4", "False", "(0, 10)"), ""))->shape.size() == 2);
    CHECK(parse(file_of(dictionary("<f4", "True", "(1, 2)"), "12345678")));  // the same in either order
}

TEST_CASE("every type goes out and comes back") {
    const Scratch scratch;
    for (const auto type : {NpyType::u1, NpyType::i1, NpyType::u2, NpyType::i2, NpyType::u4, NpyType::i4,
                            NpyType::i8, NpyType::f4, NpyType::f8})
        for (const auto& shape :
             std::vector<std::vector<std::int64_t>>{{}, {5}, {2, 3}, {0, 3}, {1, 2, 2, 3}}) {
            NpyArray array{type, shape, {}};
            array.bytes.resize(npy_data_bytes(type, shape).value(), std::byte{7});
            REQUIRE(write_npy(scratch.dir / "a.npy", array));
            const auto back = read_npy(scratch.dir / "a.npy").value();
            CHECK(back.type == type);
            CHECK(back.shape == shape);
            CHECK(back.bytes == array.bytes);
        }
    CHECK(scratch.entries() == 1);
}

TEST_CASE("what cannot be read says why") {
    refuses("", Fault::corrupt, "not an .npy file");
    refuses("\x93NUMPY", Fault::corrupt, "ends inside its header");
    refuses(file_of("{}", "", 4), Fault::unsupported, "format 4");
    refuses(file_of("{}", ""), Fault::corrupt, "must have");
    refuses(file_of(dictionary("<f4", "True", "(2, 2)"), std::string(16, 0)), Fault::unsupported, "Fortran");
    refuses(file_of(dictionary(">f4", "False", "(2,)"), std::string(8, 0)), Fault::unsupported, "big-endian");
    refuses(file_of(dictionary("|O", "False", "(2,)"), "x"), Fault::unsupported, "objects");
    refuses(file_of(dictionary("<f2", "False", "(2,)"), "x"), Fault::unsupported, "'<f2'");
    refuses(file_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", ""), Fault::unsupported,
            "records");
    refuses(file_of(dictionary("|u1", "False", "(3,)"), "ab"), Fault::corrupt, "cut short");
    refuses(file_of(dictionary("|u1", "False", "(3,)"), "abcd"), Fault::corrupt, "1 bytes follow");
    refuses(file_of(dictionary("|u1", "False", "(-3,)"), "abcd"), Fault::corrupt, "extents");
    refuses(file_of(dictionary("|u1", "False", "(4294967296, 4294967296)"), ""), Fault::corrupt,
            "more bytes than any");
    refuses(file_of(dictionary("|u1", "False", "(0, 4294967296, 4294967296)"), ""), Fault::corrupt,
            "more bytes");
    refuses(file_of(dictionary("|u1", "False", "(99999999999999999999,)"), ""), Fault::corrupt,
            "no memory holds");
    refuses(file_of(dictionary("|u1", "False", "(1,)") + "more", "a"), Fault::corrupt, "goes on");
    refuses(file_of("{'descr': '|u1', 'descr': '|u1'}", ""), Fault::corrupt, "twice");
    refuses(file_of("{'shape': (1 2)}", ""), Fault::corrupt, "comma");
    std::string many = "(";
    for (int i = 0; i < 33; ++i)
        many += "1,";
    refuses(file_of(dictionary("|u1", "False", many + ")"), "a"), Fault::corrupt, "32 dimensions");
    CHECK(read_npy("/no/such/file.npy").error().fault == Fault::not_found);
    CHECK(read_npy("/").error().fault == Fault::invalid_input);
}

TEST_CASE("no truncation and no changed byte harms") {
    const auto whole = file_of(dictionary("<i4", "False", "(2, 3)"), std::string(24, 'x'));
    for (std::size_t length = 0; length < whole.size(); ++length)
        CHECK_FALSE(parse(whole.substr(0, length)));
    std::mt19937 random(1);
    for (int i = 0; i < 20'000; ++i) {
        auto changed = whole;
        changed[random() % changed.size()] = static_cast<char>(random());
        changed[random() % changed.size()] = static_cast<char>(random());
        if (const auto array = parse(changed))
            CHECK(npy_data_bytes(array->type, array->shape).value() == array->bytes.size());
    }
}

TEST_CASE("rows are appended and counted at the end") {
    const Scratch scratch;
    auto writer = NpyWriter::create(scratch.dir / "rows.npy", NpyType::i4, {2}).value();
    const std::vector<std::byte> row(8, std::byte{3}), three(24, std::byte{4});
    REQUIRE(writer.append(row));
    REQUIRE(writer.append(three));
    CHECK(writer.append(std::span(row).first(4)).error().fault == Fault::invalid_input);
    CHECK_FALSE(fs::exists(scratch.dir / "rows.npy"));
    REQUIRE(writer.finish());
    const auto back = read_npy(scratch.dir / "rows.npy").value();
    CHECK(back.shape == std::vector<std::int64_t>{4, 2});
    CHECK(back.bytes[7] == std::byte{3});
    CHECK(back.bytes[8] == std::byte{4});
    CHECK(scratch.entries() == 1);
}

TEST_CASE("the header keeps its length however many rows come") {
    for (std::size_t rank = 1; rank <= 32; ++rank) {
        std::vector<std::int64_t> shape(rank, 12345);
        shape.front() = 0;
        const auto length = npy_header(NpyType::f4, shape)->size();
        CHECK(length % 64 == 0);
        for (int digits = 1; digits <= std::numeric_limits<std::int64_t>::digits10; ++digits) {
            shape.front() = shape.front() * 10 + 9;
            CHECK(npy_header(NpyType::f4, shape)->size() == length);
        }
    }
    CHECK_FALSE(npy_header(NpyType::f4, std::vector<std::int64_t>(33, 1)));
}

TEST_CASE("nothing half written stays, nothing that is no file is replaced") {
    const Scratch scratch;
    { auto writer = NpyWriter::create(scratch.dir / "rows.npy", NpyType::u1, {2}).value(); }
    CHECK(scratch.entries() == 0);
    const NpyArray wrong{NpyType::u2, {3}, std::vector<std::byte>(5)};
    CHECK(write_npy(scratch.dir / "a.npy", wrong).error().fault == Fault::invalid_input);
    CHECK(NpyWriter::create(scratch.dir / "a.npy", NpyType::u1, {0}).error().fault == Fault::invalid_input);
    CHECK(write_npy(scratch.dir / "no" / "a.npy", {NpyType::u1, {0}, {}}).error().fault == Fault::io);
    CHECK(write_npy(scratch.dir, {NpyType::u1, {0}, {}}).error().fault == Fault::invalid_input);
    CHECK(write_npy("/dev/null", {NpyType::u1, {0}, {}}).error().fault == Fault::invalid_input);
    CHECK(scratch.entries() == 0);
    std::ofstream(scratch.dir / "old.npy") << "old";
    REQUIRE(write_npy(scratch.dir / "old.npy", {NpyType::u1, {1}, {std::byte{9}}}));
    CHECK(read_npy(scratch.dir / "old.npy")->elements() == 1);
}

TEST_CASE("a symbolic link stays one: what it leads to is written") {
    const Scratch scratch;
    std::filesystem::create_directory(scratch.dir / "data");
    std::filesystem::create_symlink("data/real.npy", scratch.dir / "link.npy");
    for (int time = 0; time < 2; ++time) {  // the first time it leads nowhere
        REQUIRE(write_npy(scratch.dir / "link.npy", {NpyType::u1, {1}, {std::byte{9}}}));
        CHECK(std::filesystem::is_symlink(scratch.dir / "link.npy"));
        CHECK(read_npy(scratch.dir / "data" / "real.npy")->elements() == 1);
    }
}

TEST_CASE("a process that is killed while it writes leaves nothing") {
    const Scratch scratch;
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        auto writer = NpyWriter::create(scratch.dir / "rows.npy", NpyType::u1, {2});
        const std::byte row[2]{};
        const bool written = writer && writer->append(row);
        if (::write(ready[1], written ? "y" : "n", 1) == 1) ::pause();
        ::_exit(1);
    }
    char written = 0;
    REQUIRE(::read(ready[0], &written, 1) == 1);
    CHECK(written == 'y');
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    const int probe = ::open(scratch.dir.c_str(), O_RDWR | O_TMPFILE, 0600);
    if (probe < 0) {
        MESSAGE("skipped: this file system has no nameless files");
        return;
    }
    ::close(probe);
    CHECK(scratch.entries() == 0);
}
