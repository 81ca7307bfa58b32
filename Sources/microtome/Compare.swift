import ArgumentParser
import Basics
import Evaluation
import ImageFormats
import Imaging
import NNUNet

/// `microtome compare`
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares a segmentation with another: Dice per label, and how many voxels differ.")

  @Argument(help: "The segmentation to judge.")
  var prediction: String

  @Argument(help: "The segmentation to judge it by.")
  var reference: String

  @Option(help: "A dataset.json that names the labels.")
  var dataset: String?

  func run() throws {
    let reader = ImageReader.simpleITK
    let predicted = try reader.readLabels(prediction)
    let expected = try reader.readLabels(reference)
    let confusion = try locating(prediction) {
      try LabelConfusion(prediction: predicted.labels, reference: expected.labels)
    }
    if !predicted.geometry.isClose(to: expected.geometry) {
      Console.error("warning: the two segmentations differ in spacing, origin or direction")
    }
    let names = try labelNames()
    var total = 0.0
    let labels = confusion.labels.filter { $0 != 0 }
    for label in labels {
      let dice = confusion.overlap(of: label).dice
      total += dice
      let name = names[label].map { " \($0)" } ?? ""
      Console.print("Dice \(dice.decimals(4))  label \(label)\(name)")
    }
    if !labels.isEmpty {
      Console.print("Dice \((total / Double(labels.count)).decimals(4))  mean of \(labels.count) labels")
    }
    Console.print("voxels that differ: \((100 * confusion.fractionDifferent).decimals(4)) %")
  }

  private func labelNames() throws -> [Int: String] {
    guard let dataset else { return [:] }
    let labels = try DatasetDescription.read(dataset).labels
    return Dictionary(
      labels.foreground.filter { $0.labels.count == 1 }.map { ($0.labels[0], $0.name) }, uniquingKeysWith: { $1 })
  }
}
