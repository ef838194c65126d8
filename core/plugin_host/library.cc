// SPDX-License-Identifier: Apache-2.0
#include "plugin_host/library.h"

#include <dlfcn.h>

#include <cstddef>
#include <set>
#include <utility>

#include "base/thread_note.h"

namespace gw::plugin_host {

namespace {

namespace fs = std::filesystem;
using base::Error;
using base::Nothing;
using base::Status;

constexpr std::uint32_t kThreadsMs = 500;  // for threads that were told to end

std::string abi_text(std::uint32_t abi) {
  return std::to_string(abi >> 16) + "." + std::to_string(abi & 0xffff);
}

// The reason that the loader gives; Boost.DLL's own code says less.
std::string loader_error(const std::string& otherwise) {
  const char* text = ::dlerror();
  return text == nullptr ? otherwise : text;
}

// Does the entry hold what this host reads of it, and is it the plugin that the manifest describes?
Status check_entry(const gw_plugin& entry, const std::string& manifest) {
  constexpr std::size_t needed = offsetof(gw_plugin, get_interface) + sizeof entry.get_interface;
  if (entry.struct_size < needed)
    return Error{"gw_plugin_entry is smaller than the ABI's first edition"};
  if (entry.abi >> 16 != GW_ABI_MAJOR)
    return Error{"was built for plugin ABI " + abi_text(entry.abi) + ", this gateway has " +
                 abi_text(GW_ABI)};
  if (entry.manifest == nullptr || manifest != entry.manifest)
    return Error{"the manifest in the code is not the one in the file's note"};
  if (entry.init == nullptr || entry.get_interface == nullptr)
    return Error{"gw_plugin_entry lacks init or get_interface"};
  return Nothing{};
}

Status check_provided(const gw_plugin& entry, const settings::Manifest& manifest) {
  for (const std::string& id : manifest.provided) {
    if (entry.get_interface(id.c_str()) == nullptr)
      return Error{"provides " + id + " by its manifest, but has no such table"};
  }
  const auto* instance = static_cast<const gw_instance_api*>(entry.get_interface(GW_INSTANCE_ID));
  if (instance == nullptr) return Error{"does not provide " GW_INSTANCE_ID};
  if (!GW_HAS(instance, create) || !GW_HAS(instance, destroy) || !GW_HAS(instance, create_part) ||
      !GW_HAS(instance, destroy_part))
    return Error{GW_INSTANCE_ID " lacks create, destroy, create_part or destroy_part"};
  return Nothing{};
}

std::string joined(const settings::Complaints& complaints) {
  std::string all;
  for (const std::string& line : complaints.lines()) all += (all.empty() ? "" : "; ") + line;
  return all;
}

}  // namespace

base::Result<Inspection> inspect(const fs::path& path) {
  auto file = read_trusted(path);
  if (!file) return Error{path.string() + ": " + file.error()};
  auto image = read_elf(file->bytes);
  if (!image) return Error{path.string() + " " + image.error()};
  if (image->manifest.empty()) return Error{path.string() + " is no plugin: it has no manifest"};
  settings::Complaints complaints;
  auto manifest =
      settings::parse_manifest(image->manifest, path.string() + " manifest", complaints);
  if (!manifest) return Error{joined(complaints)};
  return Inspection{std::move(*file), std::move(*image), std::move(*manifest)};
}

Library::~Library() {
  if (handle_ == nullptr) return;
  {
    const base::NotedCall noted(path_.c_str(), "finish and unloading", threads_.get());
    if (ready_ && entry_->finish != nullptr) entry_->finish();
    if (!manifest_.pinned && !threads_->wait_for_none(kThreadsMs)) {
      keep_mapped();
      return;
    }
    handle_.reset();
  }
  if (manifest_.pinned) return;  // stays mapped, as it asked to
  const std::string name = path_.filename().string();
  if (is_mapped(copy_)) {
    ++state_->stuck;
    state_->log.warn("plugins", name +
                                    " was unloaded, but its code is still mapped (a thread_local "
                                    "with a destructor, a unique symbol, or another library "
                                    "that uses it): its memory stays until the gateway ends");
    return;
  }
  state_->folder.remove(copy_.filename());
  state_->log.info("plugins", name + " " + hash_.substr(0, 12) + " is unloaded");
}

// Unmapped, its threads would crash the process.
void Library::keep_mapped() {
  (void)handle_.release();
  ++state_->stuck;
  state_->log.warn("plugins", path_.filename().string() +
                                  " is not unloaded: " + std::to_string(threads_->running()) +
                                  " threads that it started still run (it must end them in stop or "
                                  "finish, or declare itself pinned): its memory stays until the "
                                  "gateway ends");
}

Libraries::Libraries(base::Log log, const gw_host& host)
    : host_(host), state_(std::make_shared<LoaderState>()) {
  state_->log = std::move(log);
}

Status Libraries::check_requirements(const settings::Manifest& manifest) const {
  if (manifest.abi >> 16 != GW_ABI_MAJOR || manifest.abi > GW_ABI)
    return Error{"needs plugin ABI " + abi_text(manifest.abi) + ", this gateway has " +
                 abi_text(GW_ABI)};
  std::string missing;
  for (const std::string& id : manifest.required)
    if (host_.get_interface(&host_, id.c_str()) == nullptr)
      missing += (missing.empty() ? "" : ", ") + id;
  if (missing.empty()) return Nothing{};
  return Error{"requires what this gateway does not have: " + missing};
}

Status Libraries::take_companions(const Inspection& inspection) {
  const fs::path folder = inspection.file.path.parent_path();
  std::set<std::string> seen;
  std::vector<std::string> names;
  if (inspection.image.origin) names = inspection.image.needed;
  while (!names.empty()) {
    const std::string name = names.back();
    names.pop_back();
    std::error_code failed;
    if (!seen.insert(name).second || name.find('/') != std::string::npos ||
        !fs::exists(folder / name, failed))
      continue;
    auto file = read_trusted(folder / name);
    if (!file) return Error{"its library " + file.error()};
    auto image = read_elf(file->bytes);
    if (!image) return Error{"its library " + (folder / name).string() + " " + image.error()};
    names.insert(names.end(), image->needed.begin(), image->needed.end());

    std::string& hash = state_->companions[name];
    if (hash == file->hash) continue;
    if (!hash.empty() && is_mapped(state_->folder.path() / name))
      return Error{"its library " + name +
                   " has changed since it was first loaded: this needs a restart"};
    auto copied = state_->folder.put(name, file->bytes);
    if (!copied) return Error{copied.error()};
    hash = file->hash;
  }
  return Nothing{};
}

Status Libraries::load(const Inspection& inspection, Library& library) {
  auto copy = state_->folder.put(
      inspection.file.path.stem().string() + "-" + inspection.file.hash.substr(0, 32) + ".so",
      inspection.file.bytes);
  if (!copy) return Error{copy.error()};
  library.copy_ = *copy;
  const base::NotedCall noted(library.path_.c_str(), "loading and init", library.threads_.get());

  using boost::dll::load_mode::type;
  constexpr type mode =
      static_cast<type>(boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  boost::dll::fs::error_code failed;
  auto handle = std::make_unique<boost::dll::shared_library>();
  handle->load(*copy, mode, failed);
  if (!handle->is_loaded()) {
    const Error error{"does not load: " + loader_error(failed.message())};
    state_->folder.remove(copy->filename());
    return error;
  }
  library.handle_ = std::move(handle);
  if (!library.handle_->has("gw_plugin_entry")) return Error{"exports no gw_plugin_entry"};
  library.entry_ = &library.handle_->get<const gw_plugin>("gw_plugin_entry");
  if (auto good = check_entry(*library.entry_, inspection.image.manifest); !good) return good;
  if (gw_status status = library.entry_->init(&host_); status != GW_OK)
    return Error{"its init failed with status " + std::to_string(status)};
  library.ready_ = true;
  return check_provided(*library.entry_, inspection.manifest);
}

base::Result<std::shared_ptr<Library>> Libraries::open(const fs::path& path) {
  auto inspection = inspect(path);
  if (!inspection) return Error{inspection.error()};
  const std::string& hash = inspection->file.hash;
  auto fail = [&path](const std::string& why) { return Error{path.string() + " " + why}; };
  auto loaded = loaded_[hash].lock();
  if (loaded == nullptr && state_->stuck >= kMaxStuck)
    return Error{path.string() +
                 ": too many unloaded plugins are still mapped: this needs a restart"};
  if (auto good = check_requirements(inspection->manifest); !good) return fail(good.error());
  if (auto taken = take_companions(*inspection); !taken) return fail(taken.error());
  if (loaded != nullptr) return loaded;
  std::shared_ptr<Library> library(new Library);
  library->state_ = state_;
  library->hash_ = hash;
  library->path_ = inspection->file.path;
  library->manifest_ = inspection->manifest;
  library->threads_ = std::make_shared<base::ThreadTally>(
      path.stem().string() + " (" + library->manifest_.id + " " + library->manifest_.version + ")");
  if (auto done = load(*inspection, *library); !done) return fail(done.error());
  if (library->manifest_.pinned) {
    ::dlopen(library->copy_.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);
    pinned_.push_back(library);
  }
  loaded_[hash] = library;
  return library;
}

}  // namespace gw::plugin_host
