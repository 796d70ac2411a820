#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "overlays/finn/handoff.hpp"
#include "overlays/finn/python_literal.hpp"
#include "overlays/package/files.hpp"
#include "tests/finn/made_deployment.hpp"

using namespace fard;
using namespace fard::finn;
using fard::test::MadeDeployment;

namespace {

MadeDeployment small() {
    MadeDeployment made;
    made.inputs = {{DataType::uint(8), {1, 28, 28, 1}, 1}};
    made.outputs = {{DataType::uint(4), {1, 10}, 5}};
    return made;
}

std::string complaint(const std::string& text) { return find_literal(text, "io_shape_dict", "driver.py").error().message; }

}  // namespace

TEST_CASE("the driver's dictionary is read as data, new and old") {
    auto made = small();
    const auto found = find_literal(made.driver(), "io_shape_dict", "driver.py").value();
    const auto& entries = *found.dictionary();
    CHECK(*entries.at("idt").list()->at(0).text() == "UINT8");
    CHECK(*entries.at("oshape_folded").list()->at(0).list()->at(2).integer() == 5);
    CHECK(*entries.at("input_dma_name").list()->at(0).text() == "idma0");
    CHECK(*entries.at("num_inputs").integer() == 1);
    CHECK(entries.at("odt").line == 12);
    made.lists = false;
    const auto old = find_literal(made.driver(), "io_shape_dict", "driver.py").value();
    CHECK(*old.dictionary()->at("odt").text() == "UINT4");
    CHECK(old.dictionary()->at("ishape_normal").list()->size() == 4);
}

TEST_CASE("nothing in a driver is run, and what is no literal says its line") {
    for (const char* text : {"io_shape_dict = {\n 'a': __import__('os').system('true')}", "io_shape_dict = {\n 'a': 1 + 1}",
                             "io_shape_dict = {\n 'a': [x for x in y]}", "io_shape_dict = {\n 'a': 1.5}",
                             "io_shape_dict = {\n 'a': 'b\\n'}", "io_shape_dict = {\n 'a' 1}", "io_shape_dict = {\n 'a': DataType}",
                             "io_shape_dict = {\n 'a': f'{x}'}"}) {
        CAPTURE(text);
        CHECK(complaint(text).find("driver.py:2: ") == 0);
        CHECK(complaint(text).find("runs nothing") != std::string::npos);
    }
    CHECK(complaint("x = 3\n").find("assigns nothing") != std::string::npos);
    CHECK(complaint("io_shape_dict = {}\nio_shape_dict = {}\n").find("twice") != std::string::npos);
    CHECK(complaint("io_shape_dict = {'a': 1, 'a': 2}").find("twice") != std::string::npos);
    CHECK(complaint("io_shape_dict = {'a': 99999999999999999999}").find("whole number") != std::string::npos);
    CHECK(complaint("io_shape_dict = " + std::string(100'000, '[')).find("larger") != std::string::npos);
    CHECK(complaint("io_shape_dict = {'a': [" ).find("ends inside") != std::string::npos);
    CHECK(complaint("io_shape_dict = {#" ).find("driver.py:1") == 0);
    CHECK(find_literal(" io_shape_dict = {}\nmy_io_shape_dict = {}\n", "io_shape_dict", "d").error().fault == Fault::not_found);
    CHECK(find_literal("io_shape_dict = {None: 1}", "io_shape_dict", "d").error().fault == Fault::invalid_input);
    CHECK(find_literal("io_shape_dict = [None, True, False, -3, ('a',), ]", "io_shape_dict", "d").value().list()->size() == 5);
}

TEST_CASE("a hand-off gives blocks, part and clock") {
    const auto made = small();
    const auto handoff = read_handoff(made.handoff(), "a.hwh").value();
    CHECK(handoff.part == "7z020clg484");
    CHECK(handoff.arch == "zynq");
    CHECK(handoff.vivado == "2022.2");
    CHECK(handoff.clock_mhz == 100);
    REQUIRE(handoff.blocks.size() == 2);
    CHECK(handoff.blocks[0].name == "idma0");
    CHECK(handoff.blocks[0].base == 0x40000000);
    CHECK(handoff.blocks[0].bytes == 0x10000);
    CHECK(handoff.find("odma0")->type == "xilinx.com:hls:IODMA_hls_1:1.0");
    CHECK(handoff.find("odma1") == nullptr);
}

TEST_CASE("a damaged or hostile hand-off is refused") {
    const auto whole = small().handoff();
    const auto complaint_of = [](const std::string& text) { return read_handoff(text, "a.hwh").error(); };
    CHECK(complaint_of(whole.substr(0, whole.size() / 2)).fault == Fault::corrupt);
    CHECK(complaint_of("").fault == Fault::corrupt);
    CHECK(complaint_of("not xml").message.find("a.hwh:1") == 0);
    CHECK(complaint_of("<html/>").message.find("EDKSYSTEM") != std::string::npos);
    CHECK(complaint_of("<!DOCTYPE EDKSYSTEM [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><EDKSYSTEM>&b;</EDKSYSTEM>")
              .message.find("document type") != std::string::npos);
    CHECK(complaint_of("<!DOCTYPE EDKSYSTEM SYSTEM \"file:///etc/passwd\"><EDKSYSTEM/>").message.find("document type") !=
          std::string::npos);
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "<a>";
    CHECK(complaint_of(deep).fault == Fault::corrupt);
    const auto with_range = [](const std::string& base, const std::string& high) {
        return "<EDKSYSTEM><MEMRANGE MEMTYPE=\"REGISTER\" INSTANCE=\"a\" BASEVALUE=\"" + base + "\" HIGHVALUE=\"" + high +
               "\"/></EDKSYSTEM>";
    };
    CHECK(read_handoff(with_range("0x40000000", "0x4000FFFF"), "a").value().blocks.size() == 1);
    CHECK(complaint_of(with_range("40000000", "0x4000FFFF")).message.find("no address") != std::string::npos);
    CHECK(complaint_of(with_range("0x4000FFFF", "0x40000000")).message.find("its end before") != std::string::npos);
    CHECK(complaint_of(with_range("0x1FFFFFFFFFFFFFFFF", "0x40000000")).message.find("no address") != std::string::npos);
    const std::string overlap =
        "<EDKSYSTEM><MEMRANGE MEMTYPE=\"REGISTER\" INSTANCE=\"a\" BASEVALUE=\"0x40000000\" HIGHVALUE=\"0x4000FFFF\"/>"
        "<MEMRANGE MEMTYPE=\"REGISTER\" INSTANCE=\"b\" BASEVALUE=\"0x40001000\" HIGHVALUE=\"0x40001FFF\"/></EDKSYSTEM>";
    CHECK(complaint_of(overlap).message.find("overlap") != std::string::npos);
}

TEST_CASE("the real hand-off shows its accelerator") {
    const char* data = std::getenv("FARD_TEST_DATA");
    const auto path = std::filesystem::path(data ? data : "../shared/data") / "bitstreams" / "cnvW2A2-pynqZ1-Z2.hwh";
    const auto file = read_regular_file(path, std::uint64_t{64} << 20);
    if (!file) {
        MESSAGE("skipped: ", file.error().message);
        return;
    }
    const auto handoff = read_handoff(*file, path.string()).value();
    CHECK(handoff.part == "7z020clg400");
    CHECK(handoff.vivado == "2019.2");
    CHECK(handoff.clock_mhz == 100);
    REQUIRE(handoff.blocks.size() == 1);
    CHECK(handoff.blocks[0].name == "BlackBoxJam_0");
    CHECK(handoff.blocks[0].base == 0x43c00000);
    CHECK(handoff.blocks[0].type == "xilinx.com:hls:BlackBoxJam:1.0");
}
