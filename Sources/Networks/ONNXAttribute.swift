/// A setting of an ONNX operator, by name.
enum ONNXAttribute {
  case int(String, Int)
  case ints(String, [Int])
  case float(String, Float)
  case string(String, String)

  /// As `AttributeProto`.
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    switch self {
    case .float(let name, let value):
      message.add(1, name)
      message.add(2, value)
      message.add(20, 1)
    case .int(let name, let value):
      message.add(1, name)
      message.add(3, value)
      message.add(20, 2)
    case .string(let name, let value):
      message.add(1, name)
      message.add(4, value)
      message.add(20, 3)
    case .ints(let name, let values):
      message.add(1, name)
      for value in values { message.add(8, value) }
      message.add(20, 7)
    }
    return message
  }
}
