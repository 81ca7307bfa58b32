import Basics
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import TotalSegmentator

/// Every task of the catalogue at every resolution, from the file of a scan to files of labels, with generated networks.
@Suite(.serialized) struct EveryTaskTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    let task: String
    let choice: RoughModel.Choice
    var isSmall = false

    var testDescription: String { "\(task) \(choice.rawValue)\(isSmall ? " small" : "")" }
  }

  static let variants = ((try? TaskCatalogue.builtIn().tasks) ?? []).flatMap { task in
    task.variants.flatMap { choice, variant in
      let hasSmall = variant.parts.allSatisfy { $0.smallPlans != nil }
      return (hasSmall ? [false, true] : [false]).map { Variant(task: task.name, choice: choice, isSmall: $0) }
    }
  }

  @Test func thereAreAsManyAsTotalSegmentatorHas() {
    #expect(Set(Self.variants.map(\.task)).count == 51)
    #expect(Self.variants.count == 51 + 5 + 3 + 3)
  }

  @Test(arguments: variants) func runsFromImageToLabels(variant: Variant) throws {
    let place = try TaskWorkplace(for: variant.task)
    let task = try place.catalogue.task(named: variant.task)
    let file = place.folder("out/labels.nii.gz")
    let masks = place.folder("out/masks")
    let writesMasks = variant.choice == .standard && !variant.isSmall
    let destinations: [TaskCase.Destination] = writesMasks ? [.file(file), .folder(masks)] : [.file(file)]
    let report = try place.run(variant.task, to: destinations) {
      ($0.fast, $0.fastest) = (variant.choice == .fast, variant.choice == .fastest)
      $0.usesSmallModel = variant.isSmall
    }
    #expect(report.warnings == [])
    // The region was looked for first, and in it the task's classes.
    #expect(report.stages.first?.hasSuffix("(rough)") == (task.crop != nil))
    #expect(report.stages.contains(variant.task))

    let labels = try place.labels(file)
    #expect(labels.shape == place.shape)
    let (ours, scan) = (try NIfTITemplate(path: file), try NIfTITemplate(path: place.image))
    #expect(ours.affine == scan.affine && ours.zooms == scan.zooms)
    #expect(labels.labels.isSubset(of: Set(task.classes.map(\.id)).union([0])), "\(labels.labels)")
    // What follows the networks may leave nothing of small components.
    if task.steps.allSatisfy({ if case .removeLabels = $0 { true } else { false } }) {
      #expect(labels.foreground > 0)
    }
    let table = try #require(NIfTILabelTable.find(in: ours.extensions))
    #expect(table.map(\.key) == task.classes.map(\.id) && table.map(\.name) == task.classes.map(\.name))
    guard writesMasks else { return }

    let derived = task.steps.contains(.deriveBodyAndSkin) ? ["body.nii.gz", "skin.nii.gz"] : []
    #expect(try Path.list(masks) == (task.classes.map { $0.name + ".nii.gz" } + derived).sorted())
    for item in task.classes {
      let mask = try place.labels(Path.join(masks, item.name + ".nii.gz"))
      #expect(mask.elements == labels.elements.map { Int($0) == item.id ? 1 : 0 }, "\(item.name)")
    }
    guard !derived.isEmpty else { return }
    let body = try place.labels(Path.join(masks, "body.nii.gz"))
    #expect(body.elements == labels.elements.map { $0 == 0 ? 0 : 1 })
    #expect(try place.labels(Path.join(masks, "skin.nii.gz")).labels.isSubset(of: [0, 1]))
  }
}
