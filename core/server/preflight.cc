// SPDX-License-Identifier: Apache-2.0
#include "server/preflight.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <utility>

#include "plugin_host/draw.h"
#include "plugin_host/host_tables.h"
#include "server/commands.h"
#include "server/supervisor.h"

extern char** environ;

namespace gw::server {

namespace {

using base::Error;

// The child notes here, a line each, what comes next. Its standard error has what plugins say.
constexpr int kNotes = STDERR_FILENO + 1;
constexpr std::string_view kDone = "done";
constexpr std::size_t kMostSaid = 200;
constexpr std::uint32_t kEndMs = 2000;  // for a supervisor that was asked to end

void note(const std::string& phase, const std::string& plugin) {
  const std::string line = phase + "\t" + plugin + "\n";
  (void)!::write(kNotes, line.data(), line.size());
}

void limit(int resource, rlim_t most) {
  rlimit now{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return;
  now.rlim_cur = std::min(now.rlim_max, most);
  ::setrlimit(static_cast<__rlimit_resource>(resource), &now);
}

// Of its end.
std::string last_line(int fd) {
  std::string text(4096, '\0');
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(text.size()));
  const ssize_t got = ::pread(fd, text.data(), text.size(), from);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

std::vector<std::string> Preflight::candidates(
    const config::GatewayConfig& next,
    const std::vector<std::shared_ptr<plugin_host::Instance>>& running) {
  std::vector<std::string> names;
  for (const config::PluginConfig& plugin : next.plugins) {
    auto path = plugin_host::plugin_file(next, plugin.file);
    if (!path) continue;
    auto file = plugin_host::read_trusted(*path);
    if (!file) continue;
    const bool same = std::any_of(running.begin(), running.end(), [&](const auto& instance) {
      return instance->is(file->hash, plugin.name, plugin.fingerprint);
    });
    if (!same) names.push_back(plugin.name);
  }
  return names;
}

void Preflight::complain(const Failure& failure, const config::GatewayConfig& next,
                         settings::Complaints& complaints) {
  settings::Position position;
  std::string who = "preflight ";
  for (const config::PluginConfig& plugin : next.plugins) {
    if (plugin.name != failure.plugin) continue;
    position = plugin.position;
    who = "plugin " + plugin.name + ": " + plugin.file + " ";
  }
  complaints.add(next.document->file, position, who + failure.why);
}

std::optional<Preflight::Failure> Preflight::try_all(const std::string& path,
                                                     const config::GatewayConfig& config) {
  net::Loop loop;
  std::optional<Failure> found;
  auto flight = start(loop, path, candidates(config, {}), config.server.start_timeout_ms,
                      [&](const std::optional<Failure>& failure) {
                        found = failure;
                        loop.stop();
                      });
  if (!flight) return Failure{"", "was not possible: " + flight.error()};
  loop.run();
  return found;
}

base::Result<std::unique_ptr<Preflight>> Preflight::start(net::Loop& main,
                                                          const std::string& config,
                                                          const std::vector<std::string>& plugins,
                                                          std::uint32_t timeout_ms, Done done) {
  std::unique_ptr<Preflight> made(new Preflight);
  made->notes_ = ::memfd_create("gateway-preflight", MFD_CLOEXEC);
  made->said_ = ::memfd_create("gateway-preflight-said", MFD_CLOEXEC);
  if (made->notes_ < 0 || made->said_ < 0)
    return Error{std::string("memfd_create: ") + std::strerror(errno)};

  if (auto folder = made->folder_.make(); !folder) return Error{folder.error()};

  std::vector<std::string> words = {"gateway",
                                    "--config",
                                    config,
                                    "preflight",
                                    std::to_string(::getpid()),
                                    made->folder_.path().string()};
  words.insert(words.end(), plugins.begin(), plugins.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, made->said_, STDERR_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, made->notes_, kNotes);
  ::posix_spawn_file_actions_addclosefrom_np(&files, kNotes + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  // A group of its own, out of reach of what a terminal sends.
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int failed =
      ::posix_spawn(&child, "/proc/self/exe", &files, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return Error{std::string("posix_spawn: ") + std::strerror(failed)};
  made->child_ = child;
  made->handle_ = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (made->handle_ < 0) return Error{std::string("pidfd_open: ") + std::strerror(errno)};
  made->watch_ = net::FdWatch::create(
      main, made->handle_, net::FdWatch::kRead,
      [](void* self, std::uint32_t) { static_cast<Preflight*>(self)->ended(); }, made.get());
  if (made->watch_ == nullptr) return Error{"a process cannot be watched"};
  made->timeout_ms_ = timeout_ms;
  made->patience_.start(
      main, timeout_ms, 0,
      [](void* self) {
        auto& preflight = *static_cast<Preflight*>(self);
        preflight.late_ = true;
        ::kill(preflight.child_, SIGTERM);
      },
      made.get());
  made->done_ = std::move(done);
  return made;
}

Preflight::~Preflight() {
  watch_.reset();
  if (child_ > 0) {
    ::kill(child_, SIGTERM);
    pollfd over{handle_, POLLIN, 0};
    if (handle_ < 0 || ::poll(&over, 1, kEndMs) != 1) ::kill(child_, SIGKILL);
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  for (const int fd : {handle_, notes_, said_})
    if (fd >= 0) ::close(fd);
}

void Preflight::ended() {
  int status = 0;
  const pid_t got = ::waitpid(child_, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return;
  child_ = -1;
  patience_.cancel();
  watch_.reset();
  const std::optional<Failure> failure = judge(status);
  std::exchange(done_, nullptr)(failure);  // may destroy this
}

std::optional<Preflight::Failure> Preflight::judge(int status) const {
  const std::string last = last_line(notes_);
  const std::string said = last_line(said_).substr(0, kMostSaid);
  if (!late_ && last == kDone && WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  const std::size_t tab = last.find('\t');
  Failure failure;
  std::string phase = "before any plugin was loaded";
  if (tab != std::string::npos) {
    phase = last.substr(0, tab);
    failure.plugin = last.substr(tab + 1);
  }
  if (late_) {
    failure.why = "did not return within " + std::to_string(timeout_ms_) + " ms " + phase;
  } else if (WIFSIGNALED(status)) {
    failure.why = "crashed " + phase + ": " + signal_text(WTERMSIG(status));
  } else {
    failure.why =
        "ended the process " + phase + ", with status " + std::to_string(WEXITSTATUS(status));
  }
  if (!said.empty()) failure.why += "; its last words: " + said;
  return failure;
}

namespace {

ExitCode try_plugins(const std::string& path, const std::vector<std::string>& arguments) {
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, plugin_host::kMaxLibraryBytes);
  settings::Complaints complaints;
  auto config = config::load_file(path, load_options(), complaints);
  if (config == nullptr) return kFailure;
  base::SystemClock clock;
  base::MetricsRegistry metrics;
  base::HealthRegistry health;
  plugin_host::Host host{base::Log(), clock, metrics, health};
  host.worker_count = config->server.workers;
  plugin_host::Libraries libraries(base::Log(), plugin_host::host_tables());
  libraries.use_folder(arguments[1]);
  for (std::size_t i = 2; i < arguments.size(); ++i)
    plugin_host::try_plugin(host, libraries, config, arguments[i], &note);
  const std::string line = std::string(kDone) + "\n";
  return ::write(kNotes, line.data(), line.size()) > 0 ? kSuccess : kFailure;
}

}  // namespace

ExitCode preflight(const std::string& path, const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return kUsage;
  pid_t parent = 0;
  const std::string& said = arguments[0];
  std::from_chars(said.data(), said.data() + said.size(), parent);
  supervise([&] { return try_plugins(path, arguments); }, parent);
}

}  // namespace gw::server
