// The board's devices between jobs and to everybody else: what each slot holds, who uses it, and whether it works. What
// placement and status are told of devices comes from here.
//
//            a job's overlay is loaded            the job goes
//   idle ----------> loading ----------> loaded ----------> loaded (the next job of that overlay loads nothing)
//                       |                   |
//                       +---- it failed ----+----> stuck (why) ----> loading: the job, or the next one, loads it anew
//                                                    |
//     ^                                             |
//     +------- mend() ------ out of placement <-----+ after three times without a chunk done in between
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "overlays/device/kept_device.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/messages_job.hpp"

namespace fard {

class DeviceKeeper {
  public:
    static constexpr int most_in_a_row = 3;

    DeviceKeeper(KeptDevices devices, std::string board);  // the board's name

    // Every device as others are told of it, in the order of find_devices.
    std::vector<wire::DeviceState> states() const;

    // Called when states() may have changed.
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

    struct Seat {  // what a job has of a device
        std::string kind;
        std::uint32_t slot = 0;
        OwnedFd fd;  // as DeviceAccess::fd
    };
    // A slot for a job with this overlay ("": none): the one that holds it, else an empty one, else the one that was used
    // least lately. `directory`: where its package is. Errors: not_found (no such device), refused (every slot is used), io.
    Result<Seat> seat(const std::string& device, const std::string& overlay, const std::string& name,
                      const std::filesystem::path& directory = {});
    // The same slot for one job more, which takes turns there with those that have it. Errors: as seat().
    Result<Seat> seat_too(const std::string& device, std::uint32_t slot, const std::string& overlay,
                          const std::filesystem::path& directory = {});
    // Whose turn it is: what the slot's next words are about.
    void turn(const std::string& device, std::uint32_t slot, const std::string& overlay, const std::string& name);
    void leave(const std::string& device, std::uint32_t slot);  // the job is reaped

    // What a job says of its device, and how it fared with it.
    void said(const std::string& device, std::uint32_t slot, const wire::JobDevice& said);
    void worked(const std::string& device);                           // a job did chunks with it
    void failed(const std::string& device, const std::string& why);  // a job ended for the device's fault

    // Somebody says that what was taken out of placement may be used again.
    void mend();

    int board_fd() const;            // as KeptDevice::board_fd, of the device that has one
    wire::NetworkWay port() const;   // as KeptDevice::port
    std::vector<std::string> profiles() const;  // that the board's FPGAs have: what else it is called

  private:
    struct Slot {
        wire::SlotState state;
        int users = 0;  // several where they take turns
        std::uint64_t last_used = 0;
    };
    struct Kept {
        std::unique_ptr<KeptDevice> device;
        DeviceInfo info;
        std::vector<Slot> slots;
        int failures_in_a_row = 0;
        std::string broken;  // why it is out of placement
    };
    Kept* find(const std::string& device);
    static void expect(Kept& kept, Slot& slot, const std::string& overlay, const std::string& name);
    void count_failure(Kept& kept, const std::string& why);
    void changed() const;

    std::vector<Kept> kept_;
    std::string board_;
    std::uint64_t uses_ = 0;
    std::function<void()> changed_;
};

}  // namespace fard
