import Basics
import Imaging
import NNUNet

/// A preprocessed case in memory.
struct MemoryCase: PreprocessedCase {
  let identifier: String
  let image: Volume<Float>
  let marks: Volume<Int16>
  let properties: PreprocessedProperties

  var channelCount: Int { image.channels }
  var shape: Shape3D { image.shape }

  init(_ identifier: String, image: Volume<Float>, marks: Volume<Int16>, record: PreparationRecord) {
    self.identifier = identifier
    self.image = image
    self.marks = marks
    let shape = marks.shape
    let labels = Set(marks.elements).filter { $0 > 0 }.sorted()
    let locations = labels.map { label -> ClassLocations in
      var coordinates: [Int32] = []
      for index in marks.elements.indices where marks.elements[index] == label {
        coordinates += [Int32(index / (shape.y * shape.x)), Int32(index / shape.x % shape.y), Int32(index % shape.x)]
      }
      return ClassLocations(labels: [Int(label)], coordinates: coordinates)
    }
    properties = PreprocessedProperties(record: record, locations: locations)
  }

  func read(
    _ box: Box3D, image target: UnsafeMutableBufferPointer<Float>?, labels: UnsafeMutableBufferPointer<Int16>?
  ) throws {
    var next = 0
    for channel in 0..<channelCount {
      for z in box.lower.z..<box.upper.z {
        for y in box.lower.y..<box.upper.y {
          for x in box.lower.x..<box.upper.x {
            target?[next] = image[channel, z, y, x]
            if channel == 0 { labels?[next] = marks[z, y, x] }
            next += 1
          }
        }
      }
    }
  }
}
