// Linux's FPGA manager: which one a board has, and programming through it.
//
//   vendor kernels (linux-xlnx)   sysfs `flags` (hexadecimal, sticky) and `firmware` (a name below /lib/firmware; programs
//                                 before the write returns); configfs device-tree overlays as well
//   others with the overlay patch configfs overlays alone: one that names the firmware programs the region that it is for
//   mainline without it           no way from user space: said so
#pragma once

#include <string>

#include "overlays/bitstream/part.hpp"
#include "overlays/zynq/host.hpp"

namespace fard::zynq {

class FpgaManager {
  public:
    // The first manager of the board. Errors: not_found (a kernel without one: what to switch on).
    static Result<FpgaManager> find(Host& host, const Roots& roots);

    const std::string& name() const { return name_; }        // "Xilinx Zynq FPGA Manager"
    const std::string& device() const { return device_; }    // "fpga0"
    bitstream::Family family() const { return family_; }
    bool takes_firmware() const { return takes_firmware_; }  // the vendor's files are there
    bool takes_overlays() const { return takes_overlays_; }

    // One process at a time, for `holder` ("the node manager with process 123"). Errors: refused (another one has it: which), io.
    Result<std::unique_ptr<Lock>> lock(const std::string& holder);

    std::filesystem::path state_file() const { return file("state"); }

    // "operating", "write error", ... Errors: io.
    Result<std::string> state();
    // Whether registers of the fabric may be touched. What cannot be read counts as no.
    bool operating();

    // Programs the whole fabric with words as drivers want them (bitstream::Programmable) under a name of the firmware
    // directory, which is gone again afterwards. Registers must not be touched meanwhile, nor after an error. Errors: io
    // (no room, no rights, the driver's reason), timed_out (the driver's own limits), corrupt (it does not take the bytes).
    Result<> program(const std::string& name, std::string_view bin, std::uint32_t flags);

    // Applies a compiled device-tree overlay, which may name firmware to program first; `remove` takes its nodes away, the
    // fabric stays as it is. Errors: as program; unsupported (no configfs overlays).
    Result<> apply_overlay(const std::string& name, std::string_view dtbo);
    Result<> remove_overlay(const std::string& name);

    // A file in the firmware directory, gone at the end of its scope.
    class FirmwareFile;
    Result<std::unique_ptr<FirmwareFile>> put_firmware(const std::string& name, std::string_view bytes);

  private:
    FpgaManager(Host& host, Roots roots) : host_(&host), roots_(std::move(roots)) {}
    std::filesystem::path file(const char* name) const;
    std::filesystem::path overlays() const;
    Result<> write_flags(std::uint32_t flags);
    tl::unexpected<Error> programming_failed(int error);
    Result<> hand_over(const std::filesystem::path& overlay, const std::string& dtbo_name);

    Host* host_;
    Roots roots_;
    std::string device_, name_;
    bitstream::Family family_ = bitstream::Family::other;
    bool takes_firmware_ = false, takes_overlays_ = false;
};

class FpgaManager::FirmwareFile {
  public:
    FirmwareFile(Host& host, std::filesystem::path path) : host_(host), path_(std::move(path)) {}
    ~FirmwareFile() { static_cast<void>(host_.remove_file(path_)); }
    FirmwareFile(const FirmwareFile&) = delete;
    FirmwareFile& operator=(const FirmwareFile&) = delete;

  private:
    Host& host_;
    std::filesystem::path path_;
};

}  // namespace fard::zynq
