#include "io/attributes.hpp"

#include <algorithm>

namespace komori::io {
namespace {

/// Writes one attribute of an open object.
class AttributeWriter {
public:
  AttributeWriter(hid_t object, const std::string& name) : object_(object), name_(name) {}

  void operator()(const std::string& value) const {
    write(text_type(value.size()).get(), scalar(), padded({value}, value.size()).data());
  }
  void operator()(double value) const { write(H5T_NATIVE_DOUBLE, scalar(), &value); }
  void operator()(std::int64_t value) const { write(H5T_NATIVE_INT64, scalar(), &value); }
  void operator()(const std::vector<double>& values) const {
    write(H5T_NATIVE_DOUBLE, list(values.size()), values.data());
  }
  void operator()(const std::vector<std::string>& values) const {
    const std::size_t length = longest(values);
    write(text_type(length).get(), list(values.size()), padded(values, length).data());
  }

private:
  Dataspace scalar() const { return {H5Screate(H5S_SCALAR), name_}; }
  Dataspace list(hsize_t size) const { return {H5Screate_simple(1, &size, nullptr), name_}; }

  void write(hid_t type, const Dataspace& space, const void* data) const {
    const std::string what = "attribute '" + name_ + "'";
    if (H5Aexists(object_, name_.c_str()) > 0) {
      check_hdf5(H5Adelete(object_, name_.c_str()), "replacing " + what);
    }
    const AttributeId attribute(
        H5Acreate2(object_, name_.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), what);
    check_hdf5(H5Awrite(attribute.get(), type, data), what);
  }

  hid_t object_;
  const std::string& name_;
};

} // namespace

void write_attributes(hid_t object, const Attributes& attributes) {
  for (const Attribute& attribute : attributes) {
    std::visit(AttributeWriter(object, attribute.name), attribute.value);
  }
}

Datatype text_type(std::size_t length) {
  Datatype type(H5Tcopy(H5T_C_S1), "text type");
  check_hdf5(H5Tset_size(type.get(), std::max<std::size_t>(length, 1)), "text length");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "text encoding");
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "text padding");
  return type;
}

std::size_t longest(const std::vector<std::string>& texts) {
  std::size_t length = 0;
  for (const std::string& text : texts) length = std::max(length, text.size());
  return length;
}

std::vector<char> padded(const std::vector<std::string>& texts, std::size_t length) {
  std::vector<char> buffer(std::max<std::size_t>(1, texts.size() * length), '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::copy_n(texts[i].begin(), std::min(length, texts[i].size()),
                buffer.begin() + static_cast<std::ptrdiff_t>(i * length));
  }
  return buffer;
}

} // namespace komori::io
