#include "io/xdmf.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/collective.hpp"

namespace komori::io {
namespace {

namespace fs = std::filesystem;

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
    case '&':
      safe += "&amp;";
      break;
    case '<':
      safe += "&lt;";
      break;
    case '>':
      safe += "&gt;";
      break;
    case '"':
      safe += "&quot;";
      break;
    default:
      safe += c;
    }
  }
  return safe;
}

/// Writes the elements of one sidecar.
class Sidecar {
public:
  Sidecar(const std::string& result, const std::vector<std::string>& axes,
          const std::vector<hsize_t>& cells, const std::vector<XdmfField>& fields)
      : file_(escaped(fs::path(result).filename().string())), axes_(axes), cells_(cells),
        fields_(fields) {
    for (const XdmfField& field : fields) {
      hsize_t& entries = entries_[field.dataset];
      entries = std::max(entries, field.entries);
      if (field.index) entries = std::max(entries, static_cast<hsize_t>(*field.index) + 1);
    }
  }

  std::string text() const {
    std::set<double> times;
    for (const XdmfField& field : fields_) {
      if (field.time) times.insert(*field.time);
    }
    std::string body;
    if (times.empty()) {
      body = grid({});
    } else {
      body = R"(<Grid Name="evolution" GridType="Collection" CollectionType="Temporal">)"
             "\n";
      for (const double time : times) body += grid(time);
      body += "</Grid>\n";
    }
    return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Xdmf Version=\"2.0\">\n<Domain>\n" + body +
           "</Domain>\n</Xdmf>\n";
  }

private:
  /// Cells per axis as the mesh has them, slowest first: one axis becomes a strip one cell high.
  std::vector<hsize_t> mesh_cells() const {
    std::vector<hsize_t> counts = cells_;
    if (counts.size() == 1) counts.insert(counts.begin(), 1);
    return counts;
  }

  std::string in_file(const std::vector<hsize_t>& shape, const std::string& dataset) const {
    return fmt::format(R"(<DataItem Dimensions="{}" NumberType="Float" Precision="8" )"
                       R"(Format="HDF">{}:{}</DataItem>)"
                       "\n",
                       fmt::join(shape, " "), file_, escaped(dataset));
  }

  std::string mesh() const {
    std::vector<hsize_t> nodes = mesh_cells();
    for (hsize_t& count : nodes) ++count;
    const bool deep = nodes.size() == 3;
    std::string text = fmt::format(R"(<Topology TopologyType="{}" Dimensions="{}"/>)"
                                   "\n"
                                   R"(<Geometry GeometryType="{}">)"
                                   "\n",
                                   deep ? "3DRectMesh" : "2DRectMesh", fmt::join(nodes, " "),
                                   deep ? "VXVYVZ" : "VXVY");
    for (std::size_t k = axes_.size(); k-- > 0;) {
      text += in_file({cells_[k] + 1}, "/grid_edges/" + axes_[k]);
    }
    if (axes_.size() == 1) {
      text +=
          R"(<DataItem Dimensions="2" NumberType="Float" Precision="8" Format="XML">0 1</DataItem>)"
          "\n";
    }
    return text + "</Geometry>\n";
  }

  /// Selects when the file holds more than the field, or in fewer axes than the mesh.
  std::string data(const XdmfField& field) const {
    std::vector<hsize_t> shape = cells_;
    if (!field.index && axes_.size() > 1) return in_file(shape, field.dataset);
    std::vector<hsize_t> start(shape.size(), 0);
    std::vector<hsize_t> count = shape;
    if (field.index) {
      shape.insert(shape.begin(), entries_.at(field.dataset));
      start.insert(start.begin(), static_cast<hsize_t>(*field.index));
      count.insert(count.begin(), 1);
    }
    const std::vector<hsize_t> stride(shape.size(), 1);
    return fmt::format(R"(<DataItem ItemType="HyperSlab" Dimensions="{}" NumberType="Float" )"
                       R"(Precision="8">)"
                       "\n"
                       R"(<DataItem Dimensions="3 {}" NumberType="Int" Format="XML">{} {} {})"
                       "</DataItem>\n{}</DataItem>\n",
                       fmt::join(mesh_cells(), " "), shape.size(), fmt::join(start, " "),
                       fmt::join(stride, " "), fmt::join(count, " "),
                       in_file(shape, field.dataset));
  }

  std::string grid(std::optional<double> time) const {
    constexpr std::string_view shown = "XYZ";
    std::string name;
    for (std::size_t k = axes_.size(); k-- > 0;) {
      name += fmt::format("{}{} = {}", name.empty() ? "" : ", ", shown[axes_.size() - 1 - k],
                          escaped(axes_[k]));
    }
    std::string text = fmt::format(R"(<Grid Name="{}" GridType="Uniform">)"
                                   "\n",
                                   name);
    if (time) {
      text += fmt::format(R"(<Time Value="{}"/>)"
                          "\n",
                          *time);
    }
    text += mesh();
    for (const XdmfField& field : fields_) {
      if (field.time && field.time != time) continue;
      text += fmt::format(R"(<Attribute Name="{}" AttributeType="Scalar" Center="Cell">)"
                          "\n{}</Attribute>\n",
                          escaped(field.label), data(field));
    }
    return text + "</Grid>\n";
  }

  std::string file_;
  const std::vector<std::string>& axes_;
  const std::vector<hsize_t>& cells_;
  const std::vector<XdmfField>& fields_;
  std::map<std::string, hsize_t> entries_; ///< length of the leading axis per dataset
};

/// What kept the file from being replaced, empty if nothing.
std::string replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".partial";
  std::ofstream stream(temporary, std::ios::binary);
  stream << text;
  stream.close();
  std::error_code code;
  if (!stream) {
    const std::string reason = std::strerror(errno);
    fs::remove(temporary, code);
    return fmt::format("sidecar '{}' cannot be written: {}", path, reason);
  }
  fs::rename(temporary, path, code);
  return code ? fmt::format("sidecar '{}' cannot be written: {}", path, code.message())
              : std::string();
}

} // namespace

bool write_xdmf(MPI_Comm comm, const std::string& result, const std::vector<std::string>& axes,
                const std::vector<hsize_t>& cells, const std::vector<XdmfField>& fields) {
  const bool drawable = !axes.empty() && axes.size() <= 3 && !fields.empty();
  const std::string problem = base::on_first_rank(comm, [&]() -> std::string {
    const std::string path = xdmf_path(result);
    if (drawable) return replace_file(path, Sidecar(result, axes, cells, fields).text());
    std::error_code code;
    fs::remove(path, code);
    return {};
  });
  if (!problem.empty()) throw std::runtime_error(problem);
  return drawable;
}

std::string xdmf_path(const std::string& result) {
  const fs::path path(result);
  // Another ending may be ours already, and the result must not overwrite itself.
  const bool usual = path.extension() == ".h5" || path.extension() == ".hdf5";
  return usual ? fs::path(path).replace_extension(".xdmf").string() : result + ".xdmf";
}

} // namespace komori::io
