"""Any model of timm: its features, folded and in bf16, its weights from a file or timm's own, and its names."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from reid_baseline import BaselineNet, ReIDError, build_model, extract_features
from reid_baseline.augmentation import Colours, normalise
from reid_baseline.backbones import find_backbone
from reid_baseline.convolution import MatrixConv2d
from tests.reid_baseline.factories import TINY, random_images, train, unfolded_features, wake_norms

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'reidaug[timm]'")
SIZE = (64, 32)
RECIPE = replace(TINY, size=SIZE, epochs=1)
# Norms with an activation, grouped and depthwise convolutions, transformers, windows, norms that are no batch norms, a
# dilated network, norms that are defined far from their convolution.
SPREAD = [
    *("test_resnet", "test_efficientnet", "mobilenetv3_small_050", "regnetx_002", "test_convnext", "test_vit"),
    *("swin_tiny_patch4_window7_224", "levit_128s", "test_byobnet", "ghostnet_050", "resnetv2_18", "hardcorenas_a"),
]


def waked(arch, **options):
    torch.manual_seed(0)
    network = BaselineNet(arch, 3, **options)
    wake_norms(network)
    return network


@pytest.mark.parametrize("arch", SPREAD)
def test_features_folded_and_in_bf16_are_those_of_the_network(arch):
    network, images = waked(arch), random_images(3, SIZE)
    plain = unfolded_features(network, images)
    assert plain.shape == (3, 512) and network.backbone(torch.zeros(2, 3, *SIZE)).shape == (2, network.backbone_width)
    folded = extract_features(network, images, RECIPE, "cpu", precision="fp32")
    torch.testing.assert_close(folded, plain, atol=1e-4, rtol=0)
    low = extract_features(network, images, RECIPE, "cpu", precision="bf16")
    assert F.cosine_similarity(low, plain).min() > 0.98


def test_features_are_those_of_timms_own_network():
    torch.manual_seed(0)
    ours = find_backbone("test_resnet").build(2).eval()
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", num_classes=0).eval()
    images = torch.rand(2, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("arch", ["mobilenetv3_small_050", "test_vit", "test_convnext"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_trained(arch, precision):
    torch.manual_seed(0)
    model = train(RECIPE, arch=arch, precision=precision)
    torch.manual_seed(0)
    before = BaselineNet(arch, 4).backbone.state_dict()
    after = {name: tensor for name, tensor in model.backbone.state_dict().items() if tensor.is_floating_point()}
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert sum(not torch.equal(tensor, before[name]) for name, tensor in after.items()) > 0.8 * len(after)


def test_patches_of_a_transformer_are_left_to_torch():
    """As a product of gathered inputs, a kernel of 16 x 16 would be 256 slices."""
    network = BaselineNet("vit_tiny_patch16_224", 3)
    assert type(network.backbone.patch_embed.proj) is torch.nn.Conv2d
    assert any(type(layer) is MatrixConv2d for layer in BaselineNet("test_resnet", 3).modules())


@pytest.mark.parametrize("size", [(256, 128), (128, 64), (50, 47)])
@pytest.mark.parametrize("arch", ["test_vit", "levit_128s"])
def test_images_of_any_size(arch, size):
    assert BaselineNet(arch, 3).eval()(torch.zeros(2, 3, *size)).shape == (2, 512)


def test_a_model_of_one_size_sees_the_whole_image():
    network = BaselineNet("levit_128s", 3).eval()
    images = torch.rand(1, 3, 128, 64)
    stretched = F.interpolate(images, (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        torch.testing.assert_close(network(images), network(stretched))


@pytest.mark.parametrize(("arch", "sides"), [("test_resnet", [(4, 2), (8, 4)]), ("test_convnext", [(4, 2), (8, 4)])])
def test_a_last_stride_of_1_doubles_the_last_map(arch, sides):
    networks = [find_backbone(arch).build(stride) for stride in (2, 1)]
    maps = [network.forward_features(torch.zeros(1, 3, 128, 64)) for network in networks]
    assert [tuple(map.shape[2:]) for map in maps] == sides
    assert [*networks[0].state_dict()] == [*networks[1].state_dict()]


def test_a_network_without_a_last_stride_keeps_its_own():
    network = find_backbone("test_vit").build(1)
    assert network(torch.zeros(1, 3, 128, 64)).shape == (1, network.width)


def test_colours_are_those_of_its_weights(monkeypatch):
    assert BaselineNet("vit_tiny_patch16_224", 3).colours == Colours((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert BaselineNet("mobilenetv3_small_050", 3).colours == Colours()
    assert normalise(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8), find_backbone("test_vit").colours).max() == 1


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("arch", ["test_resnet", "test_convnext", "test_vit", "levit_128s"])
def test_a_file_of_timms_is_loaded_without_its_classifier(tmp_path, arch, ending):
    torch.manual_seed(1)
    whole = timm.create_model(arch, num_classes=7)
    path = tmp_path / f"w.{ending}"
    if ending == "pth":
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in whole.state_dict().items()}}, path)
    else:
        pytest.importorskip("safetensors.torch").save_file(whole.state_dict(), path)
    loaded = build_model(arch, 2, path).backbone.state_dict()
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in loaded.items())


def test_position_embeddings_of_another_size_are_resampled(tmp_path):
    whole = timm.create_model("test_vit", img_size=224)
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    loaded = build_model("test_vit", 2, tmp_path / "w.pth").backbone
    assert loaded.pos_embed.shape == (1, 101, 64) != whole.pos_embed.shape
    torch.testing.assert_close(loaded.pos_embed.mean((1, 2)), whole.pos_embed.mean((1, 2)), atol=2e-3, rtol=0)
    assert torch.equal(loaded.blocks[0].attn.qkv.weight, whole.blocks[0].attn.qkv.weight)


def test_files_that_do_not_fit_say_how(tmp_path):
    state = timm.create_model("test_convnext", num_classes=7).state_dict()
    last = "stages.3.blocks.0.mlp.fc2.bias"
    cases = [
        ("test_convnext", {key: state[key] for key in state if key != last}, rf"1 of \d+ tensors \(first: {last}\)"),
        ("test_convnext", state | {"stages.9.x.weight": state[last]}, r"1 tensor that test_convnext lacks.*stages\.9"),
        ("test_convnext", state | {last: state[last] * torch.nan}, r"1 of \d+ tensors is not finite"),
        ("test_convnext2", state, r"test_convnext2"),
        ("test_vit", state, r"contain no test_vit \(no cls_token among \d+ tensors"),
    ]
    for arch, content, words in cases:
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(ReIDError, match=words) as error:
            build_model(arch, 2, tmp_path / "w.pth")
        assert "\n" not in str(error.value)
    (tmp_path / "w.safetensors").write_bytes(b"no such thing")
    with pytest.raises(ReIDError, match=r"w\.safetensors are no safetensors file"):
        build_model("test_vit", 2, tmp_path / "w.safetensors")


def test_imagenet_weights_are_timms(monkeypatch):
    create = timm.create_model

    def fetched(arch, pretrained=False, **options):
        network = create(arch, **options)
        return (
            network.requires_grad_(False).apply(lambda layer: [p.fill_(0.25) for p in layer.parameters()])
            if (pretrained)
            else network
        )

    monkeypatch.setattr(timm, "create_model", fetched)
    model = build_model("test_vit", 2, "imagenet")
    assert all((weight == 0.25).all() and weight.requires_grad for weight in model.backbone.parameters())


def test_imagenet_weights_out_of_reach_and_weights_of_other_images(monkeypatch):
    create = timm.create_model

    def no_network(arch, pretrained=False, **options):
        if pretrained:
            raise OSError("An error happened\nwhile trying")
        return create(arch, **options)

    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(ReIDError, match=r"test_vit cannot be fetched \(OSError\).*weights none") as error:
        build_model("test_vit", 2, "imagenet")
    assert "\n" not in str(error.value)
    with pytest.raises(ReIDError, match=r"no ImageNet weights of vit_base_patch16_siglip_224.*none"):
        build_model("vit_base_patch16_siglip_224", 2, "imagenet")


def test_names():
    assert find_backbone("resnet50.a1_in1k") != find_backbone("resnet50")  # timm's weights, and torchvision's
    for wrong, meant in (
        ("mobilnetv3_small_50", "mobilenetv3_small_050"),
        ("vit_tiny_patch16", "vit_tiny_patch16_224"),
    ):
        with pytest.raises(ReIDError, match=rf"'{wrong}' is unknown, did you mean .*{meant}.*or a model of timm"):
            find_backbone(wrong)
    for wrong in ("resnet50.nonsense", "hf-hub:some/model", ""):
        with pytest.raises(ReIDError, match="is unknown"):
            find_backbone(wrong)


def test_a_model_that_gives_no_features():
    with pytest.raises(ReIDError, match="mobilenetv5_300m_enc gives no features of an image"):
        find_backbone("mobilenetv5_300m_enc").build(2)
